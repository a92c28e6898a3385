import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Schema } from "effect"
import { readFileSync } from "node:fs"
import { judgeLedger } from "../../scripts/lib/ledgerVerdict.ts"
import { Db } from "../../src/db/Db.ts"
import { KiteSimulator } from "../../src/kite-simulator/KiteSimulator.ts"
import { insertOrders, quickToReconcile, stages } from "../support/daemon.ts"
import { asAdmin, dbAt, freshDatabase } from "../support/database.ts"
import { eventually, runMain, type Run, startMain, urlOf } from "../support/processes.ts"
import { contractRow } from "../support/service.ts"

const page = readFileSync(new URL("../../doc/guides/backup.md", import.meta.url), "utf8")

/** The commands that the page has, each with its variables and its words. */
const documented = [...page.matchAll(/^((?:[A-Z_]+=\w+ )*)node dist\/main\.js (.*?)(?: +#.*)?$/gm)].map(
  ([, variables = "", words = ""]) => ({
    variables: Object.fromEntries(
      [...variables.matchAll(/(\w+)=(\w+)/g)].map(([, name, value]) => [name, value ?? ""])
    ),
    words: [...words.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "")
  })
)

const slices = 20
const later = contractRow("later", { total_quantity: 100, num_splits: slices / 2, duration_minutes: 0 })

const environmentOf = (url: string) =>
  Effect.gen(function* () {
    const simulator = yield* KiteSimulator
    return {
      ...quickToReconcile,
      DATABASE_URL: url,
      BROKER_TYPE: "zerodha",
      INSTRUMENT_SYNC_TIME: "off",
      TRADING_CALENDAR: "off",
      ZERODHA_URL: simulator.url,
      ZERODHA_API_KEY: "simulator-key",
      ZERODHA_ACCESS_TOKEN: yield* simulator.issueToken,
      ZERODHA_ORDERS_PER_SECOND: "100",
      ZERODHA_ORDERS_PER_MINUTE: "4000"
    }
  })

/** Puts a copy of one database in the place of another. */
const copy = (from: string, to: string) =>
  asAdmin((sql) =>
    Effect.andThen(
      sql.unsafe(`DROP DATABASE IF EXISTS ${to} WITH (FORCE)`),
      sql.unsafe(`CREATE DATABASE ${to} TEMPLATE ${from}`)
    )
  )

const stop = ({ child, exit }: Run) =>
  Effect.andThen(
    Effect.sync(() => child.kill("SIGTERM")),
    Effect.map(exit, (code) => assert.strictEqual(code, 0))
  )

const placed = Effect.map(stages, (counts) => counts["PROCESSED"] ?? 0)

/** Lets the wait for what may still arrive at the broker be over. */
const aMinutePasses = Effect.flatMap(Db, ({ sql, execute }) =>
  execute("test.pass", sql`UPDATE server_history SET unsettled_since = unsettled_since - interval '1 minute'`)
)

const isSettled = Effect.flatMap(Db, ({ sql, queryOne }) =>
  queryOne(
    "test.settled",
    Schema.Struct({ settled: Schema.Boolean }),
    sql`SELECT unsettled_since IS NULL AS settled FROM server_history`
  )
)

describe("a database that was restored from a backup", () => {
  it.live("places nothing twice, by the documented commands", () =>
    Effect.gen(function* () {
      const database = yield* freshDatabase()
      const backup = yield* freshDatabase("empty")
      const environment = yield* environmentOf(urlOf(database))
      const within = <A, E, R>(work: Effect.Effect<A, E, R>) => Effect.provide(work, dbAt(database), { local: true })
      const type = (...words: ReadonlyArray<string>) => runMain(words, environment)

      // Half of it is placed, the other half queued.
      const first = yield* startMain([], environment)
      yield* within(
        Effect.gen(function* () {
          yield* insertOrders(1, { total_quantity: 100, num_splits: slices / 2, duration_minutes: 0 }, 0)
          yield* eventually("some are placed", placed, (count) => count === slices / 2)
          assert.strictEqual((yield* type("halt", "--reason", "test")).code, 0)
          const { sql, execute } = yield* Db
          yield* execute("test.later", sql`INSERT INTO orders ${sql.insert(later)}`)
          yield* eventually("more are queued", stages, (counts) => counts["SCHEDULED"] === slices / 2)
        })
      )
      yield* stop(first)
      assert.strictEqual((yield* type("resume")).code, 0)
      yield* copy(database, backup)
      const second = yield* startMain([], environment)
      yield* within(eventually("all are placed", placed, (count) => count === slices))
      yield* stop(second)
      yield* copy(backup, database)
      assert.strictEqual(yield* within(placed), slices / 2)

      yield* within(
        Effect.gen(function* () {
          assert.isNotEmpty(documented)
          for (const { variables, words } of documented) {
            if (words[0] === "run") {
              const { output } = yield* startMain(words, { ...environment, ...variables })
              yield* eventually("its workers run", Effect.sync(output), (log) => log.includes("is running as"))
              yield* aMinutePasses
              yield* eventually("the history is settled", isSettled, ({ settled }) => settled)
              continue
            }
            const { code, output } = yield* type(...words)
            if (words[0] === "doctor") assert.match(output, /OK +history/)
            else assert.strictEqual(code, 0, `${words.join(" ")}: ${output}`)
          }
          yield* eventually("all are placed", placed, (count) => count === slices)
          const { ledger, summary } = yield* KiteSimulator
          assert.deepStrictEqual((yield* judgeLedger(slices, yield* ledger, yield* summary)).problems, [])
        })
      )
    }).pipe(
      Effect.scoped,
      Effect.provide(
        KiteSimulator.layer({
          seed: "backup",
          lookupsPerSecond: 100,
          limits: { perSecond: 100, perMinute: 4000, perDay: 5000, modifications: 25 },
          fillDelay: Duration.millis(50)
        }).pipe(Layer.fresh)
      )
    )
  )
})
