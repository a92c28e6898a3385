import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { hostname } from "node:os"
import { Db } from "../../src/db/Db.ts"
import { insertOrders, quick, stages, withDatabase } from "../support/daemon.ts"
import { eventually, runMain, startMain } from "../support/processes.ts"
import { sliceRows } from "../support/service.ts"

const Checks = Schema.fromJsonString(
  Schema.Struct({
    healthy: Schema.Boolean,
    checks: Schema.Array(Schema.Struct({ name: Schema.String, verdict: Schema.String, found: Schema.String }))
  })
)

/** Whether a check is about the test server, which is not durable; all other checks are about the service. */
const ofTheTestServer = (name: string) => ["durability", "database", "connections", "tables", "role"].includes(name)

describe("workers and top", () => {
  it.live("show the daemons and their work; top requires a terminal or --once", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const environment = { ...quick, DATABASE_URL: url }
        const pulse = (...args: ReadonlyArray<string>) => runMain(args, environment)
        const empty = yield* pulse("workers")
        assert.deepStrictEqual(
          [empty.code, empty.output],
          [1, 'no daemon runs\nNo daemon runs on this database: "node dist/main.js" starts one\n']
        )
        assert.match((yield* pulse("top", "--once")).output, /^pulse-background NO DAEMON[^]*No daemon runs/)

        yield* startMain([], environment)
        // The third slice is due in ten minutes.
        yield* insertOrders(1, { num_splits: 10, duration_minutes: 100 }, 700)
        const workers = yield* eventually("a daemon runs", pulse("workers"), ({ code }) => code === 0)
        assert.match(workers.output, /^1 daemon runs\n\nINSTANCE +HOST +PID +VERSION +BROKER +RUNNING SINCE \(UTC\)\n/)
        assert.match(
          workers.output,
          new RegExp(`^${hostname()}-\\d+-\\w{6} +executor +\\d+\\.\\d s ago +ok +\\d+ +0$`, "m")
        )
        yield* eventually(
          "two are filled",
          sliceRows(),
          (slices) => slices.filter(({ brokerStatus }) => brokerStatus === "COMPLETE").length === 2
        )
        const top = yield* pulse("top", "--once")
        assert.strictEqual(top.code, 0)
        assert.match(top.output, /^pulse-background placing[^]*BUY NSE:RELIANCE +working +2\/10 /)
        assert.match(top.output, /DUE NEXT[^]*PLACED LAST[^]*COMPLETE[^]*DAEMONS/)
        assert.include((yield* pulse("top", "--json")).output, '"orderId": "o0"')
        const piped = yield* pulse("top")
        assert.strictEqual(piped.code, 1)
        assert.match(piped.output, /^top needs a terminal, and this is none\. "top --once"/)
        const hasty = yield* pulse("top", "--interval", "0")
        assert.deepStrictEqual([hasty.code, hasty.output.includes("must be from 0.2 to 3600 seconds")], [1, true])
      }).pipe(Effect.scoped)
    )
  )

  it.live("name a stale daemon, and workers fails", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const { sql, execute } = yield* Db
        yield* execute(
          "test.stale",
          sql`
            INSERT INTO workers (instance_id, worker, hostname, pid, version, started_at, heartbeat_at, stale_after_millis, layout)
            SELECT id, worker, 'h', 1, '1', now(), now() - CASE WHEN id = 'b' THEN age ELSE 0 END * interval '1 hour', 3600000, 2
            FROM (VALUES ('a'), ('b')) AS i (id),
              (VALUES ('splitter', 0), ('executor', 2), ('monitor', 2)) AS w (worker, age)`
        )
        const workers = yield* runMain(["workers"], { DATABASE_URL: url })
        assert.strictEqual(workers.code, 1)
        assert.match(workers.output, /^1 daemon runs, 1 is stale$/m)
        assert.match(workers.output, /^Stale: b \(executor, monitor\)\. Its daemon was killed/m)
      })
    )
  )
})

describe("doctor", () => {
  const doctor = (environment: Readonly<Record<string, string>>) =>
    Effect.gen(function* () {
      const { code, output } = yield* runMain(["doctor", "--json"], environment)
      const json = output.slice(0, output.lastIndexOf("}") + 1)
      const { healthy, checks } = yield* Schema.decodeEffect(Checks)(json)
      const verdicts = new Map(checks.map(({ name, verdict }) => [name, verdict]))
      return { code, healthy, checks, verdicts }
    })

  it.live("reports OK for a healthy service, then what a person changed and the command that helps", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const environment = { ...quick, DATABASE_URL: url, CLOCK_OFFSET_LIMIT_MILLIS: "60000", PULSE_OPERATOR: "Asha" }
        const alone = yield* doctor(environment)
        assert.deepStrictEqual([alone.code, alone.healthy, alone.verdicts.get("daemons")], [1, false, "PROBLEM"])

        yield* startMain([], environment)
        yield* eventually("a daemon runs", runMain(["workers"], environment), ({ code }) => code === 0)
        const { checks } = yield* doctor(environment)
        assert.deepStrictEqual(
          checks.filter(({ name, verdict }) => verdict !== "OK" && !ofTheTestServer(name)),
          []
        )
        assert.isAbove(checks.length, 15)

        const pulse = (...args: ReadonlyArray<string>) => runMain(args, environment)
        assert.strictEqual((yield* pulse("halt", "--reason", "fat finger")).code, 0)
        yield* insertOrders(1, { num_splits: 5, duration_minutes: 1 }, 30)
        yield* eventually("the order is split", stages, (counts) => counts["SCHEDULED"] === 5)
        yield* pulse("order", "pause", "o0", "--reason", "the client asks")
        const shown = yield* pulse("doctor")
        assert.match(
          shown.output,
          /^WARNING +halt +halted for .* by Asha \(\S+\): fat finger\n +→ node dist\/main\.js resume$/m
        )
        assert.match(
          shown.output,
          /^WARNING +orders on hold +o0 \(5 slices\): paused by .*\n +→ node dist\/main\.js order resume o0$/m
        )
        assert.match(shown.output, /^WARNING +overdue slices +\d slices, the oldest for .* \(.*\): order on hold$/m)
        assert.match(shown.output, /^OK +holds +no daemon is on hold but by the halt$/m)
      }).pipe(Effect.scoped)
    )
  )

  it.live("reports problems of the configuration, the database and its migrations", () =>
    withDatabase(
      (url) =>
        Effect.gen(function* () {
          const invalid = yield* runMain(["doctor"], { BROKER_TYPE: "moc", DATABASE_POOL_SIZE: "many" })
          assert.strictEqual(invalid.code, 1)
          assert.match(invalid.output, /^PROBLEM +configuration +DATABASE_POOL_SIZE must be/m)
          assert.match(invalid.output, /^PROBLEM +configuration +BROKER_TYPE must be/m)
          assert.match(invalid.output, /^2 PROBLEMs: configuration$/m)

          const away = yield* runMain(["doctor"], { DATABASE_URL: "postgres://me:secret@127.0.0.1:1/x" })
          assert.strictEqual(away.code, 1)
          assert.match(
            away.output,
            /^OK +configuration.*\nPROBLEM +database +Cannot use the database at 127\.0\.0\.1:1\/x: /
          )
          assert.notInclude(away.output, "secret")

          const empty = yield* runMain(["doctor"], { DATABASE_URL: url })
          assert.strictEqual(empty.code, 1)
          assert.match(
            empty.output,
            /^PROBLEM +migrations +0001_orders and \d+ others missing\n +→ node dist\/main\.js migrate$/m
          )
          assert.match(empty.output, /^WARNING +broker +not checked: .*\n +→ node dist\/main\.js migrate$/m)
          assert.strictEqual((yield* runMain(["migrate"], { DATABASE_URL: url })).code, 0)
          const { sql, execute } = yield* Db
          yield* execute(
            "test.newer",
            sql`INSERT INTO pulse_background_migrations (migration_id, name) VALUES (9999, 'x')`
          )
          const newer = yield* doctor({ DATABASE_URL: url })
          assert.deepInclude(newer.checks, {
            name: "migrations",
            verdict: "WARNING",
            found: "the database is newer than version 0.1.0: 9999_x applied"
          })
        }),
      "empty"
    )
  )
})
