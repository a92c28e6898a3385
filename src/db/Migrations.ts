import { DateTime, Duration, Effect, Schedule, Schema } from "effect"
import { Migrator, SqlClient } from "effect/sql"
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { projectFolder } from "../projectFolder.ts"
import { Db } from "./Db.ts"
import type { DbError } from "./DbError.ts"
import { type LockHolder, notingHolders } from "./lockHolders.ts"
import { outsideTransaction, tellingOfWait } from "./lockWaits.ts"
import { MigrationFailed } from "./MigrationFailed.ts"
import { grantRights, requireRights } from "./migrationRights.ts"
import { ordersTableProblem } from "./ordersTable.ts"
import { takenNamesProblem } from "./takenNames.ts"

const migrationsFolder = fileURLToPath(new URL("migrations/", projectFolder))
const fileName = /^(\d{4})_([a-z0-9_]+)\.sql$/
const table = "pulse_background_migrations"

export interface AppliedMigration {
  readonly id: number
  readonly name: string
}

/** How often to try again after other transactions held locks on the tables: with {@link pause}, about two minutes. */
const maxRetries = 50
const pause = Duration.seconds(2)

/**
 * Applies a folder's numbered .sql files that the database does not have yet, in order, each in a transaction of its own; returns
 * those. Safe when many processes do it at once: the first takes a lock, and the others wait for it and find nothing left to do.
 * Safe beside daemons and long transactions: it gives up its place in the queue for a table's lock after half a second,
 * because all statements on the table wait behind it, and begins anew later with the file that waited.
 * Called when a daemon starts, and by the command migrate.
 */
export const migrateFrom = Effect.fnUntraced(function* (folder: string, retries: number = maxRetries) {
  const db = yield* Db
  const applied: Array<AppliedMigration> = []
  let holders: ReadonlyArray<LockHolder> = []
  const note = (found: ReadonlyArray<LockHolder>) => {
    holders = found
  }
  yield* whileAlone(
    db,
    Effect.gen(function* () {
      const files = yield* filesIn(db, folder)
      if (files.pending.length > 0) yield* requireRights(db, files.pending.map(nameOf))
      yield* requireUsable(db, files)
      for (const file of files.pending) {
        holders = []
        yield* apply(db, file, note)
        applied.push({ id: file.id, name: file.name })
      }
    })
  ).pipe(
    Effect.tapErrorTag("MigrationError", (error) =>
      isLocked(error) ? Effect.logWarning(explain(error, applied, holders)) : Effect.void
    ),
    Effect.retry({
      schedule: Schedule.spaced(pause),
      times: retries,
      while: (error) => error._tag === "MigrationError" && isLocked(error)
    }),
    Effect.catchTag("MigrationError", (error) => new MigrationFailed({ message: explain(error, applied, holders) }))
  )
  return applied
})

/**
 * Holds the migrations' lock, in a transaction on a connection of its own, so that what `work` commits meanwhile is on another. A
 * lock of the session would outlive its owner behind a connection pooler.
 */
const whileAlone = <A, E>(db: Db["Service"], work: Effect.Effect<A, E>) =>
  db.unlimited(
    "migrate",
    Effect.andThen(
      tellingOfWait(db, { what: "migrations", key: [table] }, db.sql`SELECT pg_advisory_xact_lock(hashtext(${table}))`),
      outsideTransaction(db, work)
    )
  )

interface MigrationFile extends AppliedMigration {
  readonly text: string
}

interface MigrationFiles {
  readonly applied: ReadonlyArray<MigrationFile>
  /** Those that the database does not have yet. */
  readonly pending: ReadonlyArray<MigrationFile>
}

const filesIn = Effect.fnUntraced(function* (db: Db["Service"], folder: string) {
  const files = yield* loadFrom(folder)
  if (new Set(files.map(({ id }) => id)).size !== files.length) {
    return yield* new Migrator.MigrationError({ kind: "Duplicates", message: "Found duplicate migration id's" })
  }
  const latest = Math.max(0, ...(yield* appliedTo(db)).map(({ id }) => id))
  const all: MigrationFiles = {
    applied: files.filter(({ id }) => id <= latest),
    pending: files.filter(({ id }) => id > latest)
  }
  return all
})

/** Fails when what other programs have made stands in the way: of the pending migrations, or of the service after them. */
const requireUsable = Effect.fnUntraced(function* (db: Db["Service"], { applied, pending }: MigrationFiles) {
  const textOf = ({ text }: MigrationFile) => text
  const found = [
    pending.length === 0
      ? null
      : yield* takenNamesProblem(db, { applied: applied.map(textOf), pending: pending.map(textOf) }),
    yield* ordersTableProblem(
      db,
      pending.map(({ id }) => id)
    )
  ].filter((problem) => problem !== null)
  if (found.length > 0) return yield* new MigrationFailed({ message: `${found.join(" ")} Nothing was changed.` })
})

const apply = (db: Db["Service"], file: MigrationFile, note: (holders: ReadonlyArray<LockHolder>) => void) =>
  notingHolders(db, note, (began) => applyOn(db, file, began))

const applyOn = (
  { sql, unlimited, queryOne }: Db["Service"],
  { id, name, text }: MigrationFile,
  began: (pid: number) => Effect.Effect<void>
) =>
  unlimited(
    "migrate",
    Effect.gen(function* () {
      const Session = Schema.Struct({ pid: Schema.Int })
      const { pid } = yield* queryOne("Migrations.session", Session, sql`SELECT pg_backend_pid() AS pid`)
      yield* began(pid)
      // It is shorter than deadlock_timeout, so that no daemon's statement becomes the victim of a deadlock with this one.
      yield* sql`SET LOCAL lock_timeout = '500ms'`
      const file: Migrator.ResolvedMigration = [id, name, Effect.succeed(asStatement(text))]
      yield* run({ loader: Effect.succeed([file]), table }).pipe(Effect.provideService(SqlClient.SqlClient, sql))
      yield* sql.unsafe(grantRights).unprepared
    })
  )

/** Who is in the way, and what to do. */
const lockedHint = (holders: ReadonlyArray<LockHolder>): string => {
  const named = holders.map(
    ({ pid, application, since }) =>
      `${application} (pid ${pid}${since === null ? "" : `, in a transaction since ${DateTime.formatIso(since)}`})`
  )
  return named.length === 0
    ? "Another transaction uses the tables, such as a backup or an open session: end it, or wait until it is over."
    : `The tables are used by ${named.join(" and ")}: end that, or wait until it is over.`
}

/** Applies the migrations of this version of the service. */
export const migrate: Effect.Effect<ReadonlyArray<AppliedMigration>, MigrationFailed | DbError, Db> = migrateFrom(
  migrationsFolder
)

/** Migrations of this version that are missing, and applied ones that it does not know, of a newer version. Names as of the files. */
export interface MigrationState {
  readonly missing: ReadonlyArray<string>
  readonly unknown: ReadonlyArray<string>
  readonly applied: number
}

/** Compares the database with the migrations of this version, without changing anything. */
export const migrationState = Effect.gen(function* () {
  const db = yield* Db
  const files = yield* Effect.orDie(Effect.tryPromise(() => fileNames(migrationsFolder)))
  const rows = yield* appliedTo(db)
  const applied = rows.map(nameOf)
  const ours = files.map((name) => name.replace(/\.sql$/, ""))
  const state: MigrationState = {
    missing: ours.filter((name) => !applied.includes(name)),
    unknown: applied.filter((name) => !ours.includes(name)),
    applied: applied.length
  }
  return state
})

/** The rows of the migrations that the database has. */
const appliedTo = Effect.fnUntraced(function* ({ sql, query, queryOne }: Db["Service"]) {
  const { exists } = yield* queryOne(
    "Migrations.exists",
    Schema.Struct({ exists: Schema.Boolean }),
    sql`SELECT to_regclass(${table}) IS NOT NULL AS exists`
  )
  if (!exists) return []
  return yield* query(
    "Migrations.applied",
    Schema.Struct({ id: Schema.Int, name: Schema.String }),
    sql`SELECT migration_id AS id, name FROM ${sql(table)} ORDER BY migration_id`
  )
})

const run = Migrator.make({})

const fileNames = async (folder: string): Promise<ReadonlyArray<string>> =>
  (await readdir(folder)).filter((name) => name.endsWith(".sql")).toSorted()

/** `0007_placement_control`. */
const nameOf = ({ id, name }: AppliedMigration): string => `${String(id).padStart(4, "0")}_${name}`

const loadFrom = (folder: string): Effect.Effect<ReadonlyArray<MigrationFile>, Migrator.MigrationError> =>
  Effect.tryPromise({
    try: async () =>
      Promise.all(
        (await fileNames(folder)).map(async (file) => {
          const [, id, name] = fileName.exec(file) ?? []
          if (id === undefined || name === undefined) throw new Error(`${file} is not named like 0001_orders.sql`)
          return { id: Number(id), name, text: await readFile(join(folder, file), "utf8") }
        })
      ),
    catch: (cause) =>
      new Migrator.MigrationError({
        kind: "BadState",
        cause,
        message: `The migrations in ${folder} cannot be read`
      })
  })

/** The driver runs one statement at a time. A DO block makes a whole file one statement, without splitting it at semicolons. */
const asStatement = (text: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(`DO $migration$ BEGIN\n${text}\nEND $migration$`).unprepared)

const explain = (
  error: Migrator.MigrationError,
  applied: ReadonlyArray<AppliedMigration>,
  holders: ReadonlyArray<LockHolder>
): string => {
  const reason = rootOf(error.cause)
  const remedy = isLocked(error) ? ` ${lockedHint(holders)}` : ""
  const before = applied.at(-1)
  const changed =
    before === undefined ? "Nothing was changed." : `The migrations up to ${before.id}_${before.name} were applied.`
  return `${error.message}${reason instanceof Error ? `: ${reason.message}${detailOf(reason)}` : ""}. ${changed}${remedy}`
}

/** The server's detail, which names what stands in the way, such as a view of another program. */
const detailOf = (reason: Error): string =>
  "detail" in reason && typeof reason.detail === "string" ? ` (${reason.detail})` : ""

/** Whether a table's lock was not free in time (55P03), or the wait for it would have been a deadlock (40P01). */
const isLocked = (error: Migrator.MigrationError): boolean => {
  const reason = rootOf(error.cause)
  return reason instanceof Error && "code" in reason && (reason.code === "55P03" || reason.code === "40P01")
}

/** The driver wraps the server's error twice. */
const rootOf = (cause: unknown): unknown =>
  cause instanceof Error && cause.cause !== undefined ? rootOf(cause.cause) : cause
