import { Clock, DateTime, Effect, Layer, Option } from "effect"
import { statfs } from "node:fs/promises"
import { DatabaseClock } from "../../clock/DatabaseClock.ts"
import { Configuration } from "../../config/Configuration.ts"
import { isLocalHost, isVerified } from "../../config/databaseAddress.ts"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { migrationState } from "../../db/Migrations.ts"
import { auditCheck } from "../../doctor/auditCheck.ts"
import { calendarCheck } from "../../doctor/calendarCheck.ts"
import { type Check, ok, problem, pulse, warning } from "../../doctor/Check.ts"
import { clockCheck } from "../../doctor/clockCheck.ts"
import { durabilityCheck } from "../../doctor/durabilityCheck.ts"
import { encryptionCheck } from "../../doctor/encryptionCheck.ts"
import { historyCheck } from "../../doctor/historyCheck.ts"
import { instrumentCheck } from "../../doctor/instrumentCheck.ts"
import { migrationCheck } from "../../doctor/migrationCheck.ts"
import { misplacedCheck } from "../../doctor/misplacedCheck.ts"
import { operatorCheck } from "../../doctor/operatorCheck.ts"
import { othersRightsCheck, roleCheck, rowSecurityCheck } from "../../doctor/rightsChecks.ts"
import { secretFileCheck } from "../../doctor/secretFileCheck.ts"
import { connectionCheck, databaseCheck } from "../../doctor/serverChecks.ts"
import { lockCheck, transactionCheck } from "../../doctor/sessionChecks.ts"
import { bloatCheck, diskCheck } from "../../doctor/storageChecks.ts"
import { endsOf } from "../../domain/market/TradingCalendar.ts"
import { InstrumentStore } from "../../stores/account/InstrumentStore.ts"
import { AuditStore } from "../../stores/operations/AuditStore.ts"
import { DoctorStore, maxMisplaced, newestSlices, type PlacesExtent } from "../../stores/operations/DoctorStore.ts"
import { PostgresStatusStore } from "../../stores/operations/PostgresStatusStore.ts"
import { RightsStore } from "../../stores/operations/RightsStore.ts"
import { version } from "../../version.ts"
import { calendarNow } from "../shared/calendarNow.ts"
import { CommandLayer } from "../shared/environment.ts"
import { accountName } from "../shared/operator.ts"
import {
  checkBroker,
  checkHalt,
  checkLimits,
  checkNotifications,
  checkToken,
  checkWork,
  ServiceStores
} from "./service.ts"

const DoctorLayer = Layer.mergeAll(PostgresStatusStore.layer, RightsStore.layer, AuditStore.layer, ServiceStores).pipe(
  Layer.provideMerge(CommandLayer)
)

/**
 * The checks of `doctor`: each reads its facts here or in service.ts and hands them to a pure function of src/doctor,
 * which gives the verdict and the advice. They run in the order in which one thing depends on another: settings,
 * database, clock, broker, work. The effect never fails. A check that this database or this user does not allow
 * becomes a WARNING, settings that are not valid and a database that does not answer become PROBLEMs and end the
 * examination. Nothing is changed, and the broker is not called. `extent` says which slices are looked for in their tables.
 * Called by doctorCommand.
 */
export const examine = (extent: PlacesExtent): Effect.Effect<ReadonlyArray<Check>> =>
  examineAll(extent).pipe(
    Effect.provide(DoctorLayer),
    Effect.catchTags({
      ConfigurationError: ({ problems }) => Effect.succeed(problems.map(misconfigured)),
      DbError: ({ message, isTransient }) => Effect.succeed([configured, unreachable(message, isTransient)]),
      EmbeddedPostgresError: ({ message }) => Effect.succeed([configured, unreachable(message, true)])
    })
  )

const configured = ok("configuration", "every setting is valid")

const misconfigured = (found: string): Check =>
  problem("configuration", found, "Correct it in the environment; doc/guides/config.md explains every setting")

const unreachable = (message: string, isTransient: boolean): Check => {
  const again = isTransient ? "Daemons keep trying by themselves. When it is back" : "When that is mended"
  return problem("database", message, `${again}: ${pulse("doctor")}`)
}

/** Turns a failure that is not transient into a WARNING, so that the other checks still run. */
const attempt = <R>(name: string, check: Effect.Effect<ReadonlyArray<Check>, DbError, R>) =>
  Effect.catchIf(
    check,
    (error) => !error.isTransient,
    ({ message, sqlState }) =>
      Effect.succeed([
        warning(
          name,
          `not checked: ${message}`,
          sqlState === insufficientPrivilege
            ? "doc/guides/database.md says what the service's role needs"
            : pulse("migrate")
        )
      ])
  )

const insufficientPrivilege = "42501"

const checkServer = Effect.gen(function* () {
  const { ping, facts } = yield* PostgresStatusStore
  const before = yield* Clock.monotonicTimeNanos
  yield* ping
  const millis = Number((yield* Clock.monotonicTimeNanos) - before) / 1_000_000
  const server = yield* facts
  return [databaseCheck(server, millis), ...(yield* checkEncryption), durabilityCheck(server), connectionCheck(server)]
})

/** The service's own PostgreSQL is reached by a socket of this host. */
const checkEncryption = Effect.gen(function* () {
  const { database } = yield* Configuration
  if (database === null) return []
  const { hosts, tls } = database
  const verified = isVerified(tls) ? (tls.mode === "verify-full" ? "name" : "authority") : "nothing"
  const { isEncrypted } = yield* Db
  return [
    encryptionCheck({
      isEncrypted: yield* isEncrypted,
      verified,
      isLocal: hosts.every(({ host }) => isLocalHost(host))
    })
  ]
})

/** Nobody else can connect to the service's own PostgreSQL. */
const checkRights = Effect.gen(function* () {
  const { database } = yield* Configuration
  const rights = yield* RightsStore
  const role = yield* rights.role
  return database === null
    ? [rowSecurityCheck(role)]
    : [roleCheck(role), rowSecurityCheck(role), othersRightsCheck(yield* rights.ofOthers)]
})

/** How secrets come to this process, and who would be recorded with a change. */
const checkSurroundings = Effect.gen(function* () {
  const { operator, operatorRequired, readableSecretFiles } = yield* Configuration
  return [
    secretFileCheck(readableSecretFiles),
    operatorCheck({ account: accountName(), person: Option.getOrNull(operator), isRequired: operatorRequired })
  ]
})

const checkMigrations = Effect.map(migrationState, (state) => [migrationCheck(state, version)])

const checkClock = Effect.gen(function* () {
  const { clockOffsetLimit } = yield* Configuration
  return [clockCheck(yield* (yield* DatabaseClock).offsetMillis, clockOffsetLimit)]
})

/** Lock waits shorter than this are not reported. */
const shortWait = { seconds: 2 }

const checkSessions = Effect.gen(function* () {
  const server = yield* PostgresStatusStore
  const now = yield* DateTime.now
  const oldest = yield* server.oldestTransaction
  const wait = yield* server.maxWait(DateTime.subtract(now, shortWait))
  return [transactionCheck(Option.getOrNull(oldest), now), lockCheck(Option.getOrNull(wait), now)]
})

const checkTables = Effect.gen(function* () {
  const server = yield* PostgresStatusStore
  const { autovacuum } = yield* server.facts
  return [bloatCheck(yield* server.tables, autovacuum)]
})

const checkPlaces = Effect.fnUntraced(function* (extent: PlacesExtent) {
  const found = yield* (yield* DoctorStore).misplaced(extent)
  return [misplacedCheck(found, maxMisplaced, extent === "all" ? null : newestSlices)]
})

const checkAudit = Effect.gen(function* () {
  return [auditCheck(yield* (yield* AuditStore).status, yield* DateTime.now)]
})

const checkHistory = Effect.gen(function* () {
  return [historyCheck(yield* (yield* DoctorStore).history, yield* DateTime.now)]
})

/** Only for the service's own PostgreSQL, which is on this host; the disk of another server cannot be seen. */
const checkDisk = Effect.gen(function* () {
  const { database } = yield* Configuration
  if (database !== null) return []
  const folder = yield* (yield* PostgresStatusStore).dataFolder
  return yield* Effect.tryPromise(() => statfs(folder)).pipe(
    Effect.map(({ bavail, bsize }) => [diskCheck(folder, bavail * bsize)]),
    Effect.catch((error) =>
      Effect.succeed([
        warning("disk", `${folder} cannot be looked at: ${error.message}`, "Run doctor as the daemon's account")
      ])
    )
  )
})

const checkCalendar = Effect.gen(function* () {
  const calendar = yield* calendarNow
  return [calendarCheck(calendar === null ? null : endsOf(calendar), yield* DateTime.now)]
}).pipe(
  Effect.catchTag("CommandFailed", ({ message }) =>
    Effect.succeed([problem("trading calendar", `nothing is placed: ${message}`, `Run ${pulse("calendar show")}`)])
  )
)

const checkReference = Effect.gen(function* () {
  const { brokerType } = yield* Configuration
  const now = yield* DateTime.now
  const list = brokerType === "zerodha" ? yield* (yield* InstrumentStore).status : null
  return list === null ? [] : [instrumentCheck(Option.getOrNull(Option.map(list, ({ syncedAt }) => syncedAt)), now)]
})

const examineAll = (extent: PlacesExtent) =>
  Effect.map(
    Effect.all([
      Effect.succeed([configured]),
      attempt("configuration", checkSurroundings),
      attempt("database", checkServer),
      attempt("rights of others", checkRights),
      attempt("migrations", checkMigrations),
      attempt("clock", checkClock),
      attempt("transactions", checkSessions),
      attempt("tables", checkTables),
      attempt("misplaced slices", checkPlaces(extent)),
      attempt("history", checkHistory),
      attempt("audit", checkAudit),
      attempt("disk", checkDisk),
      attempt("trading calendar", checkCalendar),
      attempt("instruments", checkReference),
      attempt("broker", checkBroker),
      attempt("access token", checkToken),
      attempt("limits", checkLimits),
      attempt("halt", checkHalt),
      attempt("work", checkWork),
      attempt("notifications", checkNotifications)
    ]),
    (checks) => checks.flat()
  )
