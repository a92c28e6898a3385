import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Db } from "../../src/db/Db.ts"
import { allProcessed, insertOrders, quick, withDatabase } from "../support/daemon.ts"
import { eventually, runMain, startMain } from "../support/processes.ts"
import { byTwoPeople } from "../support/secondPerson.ts"
import { contractRow, sliceRows } from "../support/service.ts"

describe("settle", () => {
  it.live("reconciles a day, shows differences and foreign orders, and repairs unambiguous differences", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const environment = { ...quick, DATABASE_URL: url }
        const { sql, execute } = yield* Db
        const daemon = yield* startMain([], environment)
        yield* insertOrders(1, { duration_minutes: 0 }, 0)
        yield* allProcessed(5)
        yield* eventually("all are filled", sliceRows(), (rows) => rows.every((row) => row.brokerStatus === "COMPLETE"))
        daemon.child.kill("SIGTERM")
        yield* daemon.exit

        // An order without slices, as they exist from before this service.
        yield* execute(
          "test.old",
          sql`INSERT INTO orders ${sql.insert(contractRow("old", { order_queue_status: "DONE" }))}`
        )
        const proven = yield* runMain(["settle"], environment)
        assert.strictEqual(proven.code, 0, proven.output)
        assert.match(
          proven.output,
          /^5 slices agree with the broker's order list\n0 differ\n0 broker orders are none of ours\nThe quantities of the day's orders add up\n$/
        )

        yield* execute(
          "test.forget",
          sql`
          UPDATE order_slices SET stage = 'FAILED', broker_order_id = NULL, broker_status = NULL, filled_quantity = 0,
            average_price = NULL, broker_is_final = false WHERE sequence_number = 1`
        )
        yield* execute("test.halve", sql`UPDATE order_slices SET filled_quantity = 10 WHERE sequence_number = 2`)
        yield* execute(
          "test.foreign",
          sql`
          INSERT INTO mock_broker_orders (broker_order_id, tag, instrument, side, quantity, order_type, product_type, validity,
            placed_at, visible_at, opens_at, settles_at, fill_quantity)
          SELECT '1', 'THEIRS', instrument, side, quantity, order_type, product_type, validity, placed_at, visible_at, opens_at,
            settles_at, 0 FROM mock_broker_orders LIMIT 1`
        )
        const differs = yield* runMain(["settle"], environment)
        assert.strictEqual(differs.code, 1)
        for (const text of [
          "3 slices agree",
          "2 differ",
          "FAILED here, but the broker has it as",
          "10 filled at",
          "1 broker orders are none of ours",
          "THEIRS",
          '"settle --repair" mends what is plain'
        ]) {
          assert.include(differs.output, text)
        }
        const repaired = yield* byTwoPeople(["settle", "--repair"], environment)
        assert.strictEqual(repaired.code, 0, repaired.output)
        assert.include(repaired.output, "2 differ, 2 of them are repaired")
        assert.include((yield* runMain(["settle"], environment)).output, "5 slices agree")
        assert.isTrue(
          (yield* sliceRows()).every((row) => row.stage === "PROCESSED" && row.filledQuantity === row.quantity)
        )

        yield* execute(
          "test.noted",
          sql`
            INSERT INTO broker_differences (tag, kind, facts, order_id, broker_order_ids, words, is_critical, is_held, seen_at)
            VALUES ('PB1', 'cancelled_at_broker', '1', 'o0', '{1}', 'somebody else has cancelled it', true, true, now())`
        )
        const waiting = yield* runMain(["settle"], environment)
        assert.strictEqual(waiting.code, 1)
        assert.match(waiting.output, /WAITS FOR A PERSON\n.*somebody else has cancelled it/)
        assert.include(waiting.output, '1 difference from the broker\'s order list waits for a person: "doctor" says')
        yield* execute("test.settled", sql`DELETE FROM broker_differences`)

        yield* execute("test.lose", sql`UPDATE orders SET total_quantity = total_quantity + 1`)
        const unbalanced = yield* runMain(["settle"], environment)
        assert.deepStrictEqual([unbalanced.code, unbalanced.output.includes("do not add up: o0")], [1, true])

        const elsewhere = yield* runMain(["settle"], {
          ...environment,
          BROKER_TYPE: "zerodha",
          ZERODHA_API_KEY: "k",
          ZERODHA_URL: "http://127.0.0.1:9"
        })
        assert.strictEqual(elsewhere.code, 1)
        assert.include(elsewhere.output, "This database's orders are at mock, not at zerodha http://127.0.0.1:9")

        for (const [day, message] of [
          ["yesterday", 'DAY must be a day like 2026-11-23, not "yesterday"'],
          ["2026-02-30", 'DAY must be a day like 2026-11-23, not "2026-02-30"'],
          ["2199-01-01", "2199-01-01 has not begun in India"]
        ] as const) {
          const wrong = yield* runMain(["settle", day], environment)
          assert.deepStrictEqual([wrong.code, wrong.output.includes(message)], [1, true], wrong.output)
        }
      }).pipe(Effect.scoped)
    )
  )
})
