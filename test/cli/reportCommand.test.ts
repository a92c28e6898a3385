import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Schema } from "effect"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Db } from "../../src/db/Db.ts"
import { allProcessed, insertOrders, quick, withDatabase } from "../support/daemon.ts"
import { eventually, runMain, startMain } from "../support/processes.ts"
import { contractRow, orderRow, sliceRows } from "../support/service.ts"

const Report = Schema.fromJsonString(
  Schema.Struct({
    isOver: Schema.Boolean,
    averagePrice: Schema.BigDecimalFromString,
    quantities: Schema.Struct({ filled: Schema.Int, givenUp: Schema.Int }),
    lookUps: Schema.Struct({ count: Schema.Int, failed: Schema.Int }),
    slices: Schema.Array(Schema.Struct({ stage: Schema.String })),
    calls: Schema.Array(Schema.Struct({ call: Schema.String, outcome: Schema.String, request: Schema.Unknown })),
    costs: Schema.Struct({
      benchmarks: Schema.Array(Schema.Struct({ benchmark: Schema.String, price: Schema.NullOr(Schema.String) }))
    })
  })
)

const Trail = Schema.fromJsonString(
  Schema.Struct({
    entries: Schema.Array(Schema.Struct({ at: Schema.DateTimeUtcFromString, kind: Schema.String, text: Schema.String }))
  })
)

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "pulse-report-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

/**
 * Creates a filled order of five slices, one that could not be split, and one failed read of the broker's order list.
 */
const someOrders = (environment: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const { sql, execute } = yield* Db
    const daemon = yield* startMain([], environment)
    yield* insertOrders(1, { duration_minutes: 0 }, 0)
    yield* execute("test.bad", sql`INSERT INTO orders ${sql.insert(contractRow("bad", { instrument: "RELIANCE" }))}`)
    yield* allProcessed(5)
    yield* eventually("all are filled", sliceRows(), (rows) => rows.every((row) => row.brokerStatus === "COMPLETE"))
    yield* eventually("the other has failed", orderRow("bad"), (row) => row.orderQueueStatus === "FAILED")
    daemon.child.kill("SIGTERM")
    yield* daemon.exit
    yield* execute(
      "test.failedLookUp",
      sql`
        INSERT INTO broker_events (id, called_at, duration_millis, broker, call, outcome, request, response, worker)
        SELECT 'lookup-1', split_at, 12, 'mock', 'find_by_tag', 'unknown', '{}', '{"message": "the order list was away"}', 'vm-1'
        FROM orders WHERE id = 'o0'`
    )
    yield* execute(
      "test.halts",
      sql`
        INSERT INTO placement_halts (is_halted, reason, requested_by, requested_at)
        SELECT is_halted, reason, 'a@desk', split_at + after FROM orders,
          (VALUES (false, 'long before', interval '-1 day'), (true, 'news', interval '-1 hour'), (false, 'calm', interval '0')) AS halts (is_halted, reason, after)
        WHERE id = 'o0'`
    )
  }).pipe(Effect.scoped)

describe("report and audit", () => {
  it.live("describe an order that a daemon executed, and one that it could not split", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const environment = { ...quick, DATABASE_URL: url }
        yield* someOrders(environment)
        const pulse = (...args: ReadonlyArray<string>) => runMain(args, environment)

        const text = yield* pulse("report", "o0")
        assert.strictEqual(text.code, 0, text.output)
        for (const part of [
          "Order o0: BUY 100 NSE:RELIANCE, filled",
          "100 filled (100.0 %)",
          "1 failed",
          "Not known"
        ]) {
          assert.include(text.output, part)
        }
        assert.strictEqual(text.output.match(/PROCESSED/g)?.length, 5)
        assert.isTrue(text.output.split("\n").every((line) => [...line].length <= 100))

        const file = join(yield* folder, "o0.html")
        const both = yield* pulse("report", "o0", "--html", file, "--json")
        const report = yield* Schema.decodeEffect(Report)(both.output)
        assert.isTrue(report.isOver)
        assert.deepStrictEqual(report.quantities, { filled: 100, givenUp: 0 })
        assert.strictEqual(report.lookUps.failed, 1)
        assert.deepStrictEqual(
          report.calls.map(({ call, outcome }) => `${call} ${outcome}`),
          Array.from({ length: 5 }, () => "place ok")
        )
        const page = yield* Effect.promise(() => readFile(file, "utf8"))
        assert.match(page, /^<!doctype html>[^]*<svg[^]*<\/html>\n$/)
        assert.strictEqual((yield* pulse("report", "o0", "--html", file)).output, `The report is in ${file}\n`)
        assert.match((yield* pulse("report", "o0", "--html", "-")).output, /^<!doctype html>[^]*<svg[^]*<\/html>\n$/)

        const failed = yield* pulse("report", "bad")
        assert.strictEqual(failed.code, 0, failed.output)
        assert.include(failed.output, "This order could not be split: instrument: must look like EXCHANGE:SYMBOL")

        const trail = yield* Schema.decodeEffect(Trail)((yield* pulse("audit", "o0", "--json")).output)
        const times = trail.entries.map((entry) => DateTime.toEpochMillis(entry.at))
        assert.deepStrictEqual(
          times,
          times.toSorted((a, b) => a - b)
        )
        const kinds = trail.entries.map(({ kind }) => kind)
        assert.deepStrictEqual(
          ["order", "plan", "call", "book", "halt"].map((kind) => kinds.filter((each) => each === kind).length),
          [1, 1, 5, 6, 2]
        )
        assert.include(trail.entries[0]?.text, "halted by a@desk: news")
        const story = yield* pulse("audit", "o0")
        assert.match(story.output, /^ {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} {2}.*plan +plan 1, the split by /m)
        assert.include(
          story.output,
          "the broker's order list could not be read, once (unknown): the order list was away"
        )
      }).pipe(Effect.scoped)
    )
  )

  it.live("fail with the reason for an unknown order and a file that cannot be written", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const { sql, execute } = yield* Db
        const row = contractRow("o17955568863a69f93a5601", { order_queue_status: "DONE" })
        yield* execute("test.order", sql`INSERT INTO orders ${sql.insert(row)}`)
        const cases: ReadonlyArray<readonly [ReadonlyArray<string>, string]> = [
          [
            ["report", "o17955568863a69f93"],
            'There is no order "o17955568863a69f93". Similar: o17955568863a69f93a5601. "order list" shows the newest.'
          ],
          [["audit", "key-o17955568863a69f93a5601"], "It is the key of order o17955568863a69f93a5601"],
          [["report", "o17955568863a69f93a5601", "--html", "/nowhere/report.html"], "The report was not written: "]
        ]
        for (const [args, said] of cases) {
          const { code, output } = yield* runMain(args, { DATABASE_URL: url })
          assert.strictEqual(code, 1, args.join(" "))
          assert.include(output, said)
        }
        const { code, output } = yield* runMain(["report", "o17955568863a69f93a5601"], { DATABASE_URL: url })
        assert.strictEqual(code, 0, output)
        assert.include(output, "This order has no slices: it was not split by this service.")

        // pulse-api may write any time that PostgreSQL can store.
        yield* execute("test.longAgo", sql`UPDATE orders SET created_at = '-infinity', updated_at = 'infinity'`)
        const story = yield* runMain(["audit", "o17955568863a69f93a5601"], { DATABASE_URL: url })
        assert.strictEqual(story.code, 0, story.output)
        assert.match(story.output, /^ {2}0001-01-01 00:00:00\.000 {2}order {2}received from pulse-api/m)
      })
    )
  )
})
