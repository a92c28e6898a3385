import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import { hostname } from "node:os"
import { Db } from "../../src/db/Db.ts"
import { BrokerOrderId } from "../../src/domain/model/Ids.ts"
import { SliceCommands } from "../../src/stores/slices/SliceCommands.ts"
import { insertOrders, quick, stages, withDatabase } from "../support/daemon.ts"
import { liveAs } from "../support/liveAs.ts"
import { eventually, runMain, startMain } from "../support/processes.ts"
import { byTwoPeople } from "../support/secondPerson.ts"
import { asked, orderRow, sliceRows } from "../support/service.ts"

describe("the slice commands", () => {
  it.live("skip gives up a scheduled slice, placed resolves one in doubt, and both explain refusals", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const environment = { ...quick, DATABASE_URL: url }
        const pulse = (...args: ReadonlyArray<string>) => runMain(args, environment)
        yield* pulse("halt", "--reason", "test")
        yield* startMain([], environment)
        yield* insertOrders(1, { duration_minutes: 0 }, 0)
        yield* eventually("the order is split", stages, (counts) => counts["SCHEDULED"] === 5)
        const [first] = yield* sliceRows()
        const id = first?.id ?? ""

        const early = yield* pulse("slice", "placed", id, "b1", "--reason", "seen")
        assert.deepStrictEqual([early.code, early.output.includes("is SCHEDULED, not in doubt")], [1, true])
        const skip = yield* pulse("slice", "skip", id, "--reason", "not wanted")
        assert.deepStrictEqual([skip.code, skip.output], [0, `Slice o0/1 (${id}) is SKIPPED; it was SCHEDULED\n`])
        assert.match((yield* sliceRows())[0]?.stageReason ?? "", /^skipped by .*: not wanted$/)
        const fourth = yield* pulse("slice", "skip", "o0/5", "--reason", "not wanted", "--json")
        assert.deepInclude(JSON.parse(fourth.output), { orderId: "o0", sequenceNumber: 5, was: "SCHEDULED" })
        const again = yield* pulse("slice", "skip", id, "--reason", "not wanted")
        assert.deepStrictEqual([again.code, again.output.includes("not wanted: nothing was changed")], [1, true])

        for (const [args, message] of [
          [["skip", "nobody", "--reason", "x"], 'There is no slice "nobody"'],
          [["placed", id, " ", "--reason", "x"], "BROKER_ORDER is empty"],
          [["placed", id, "b1", "--reason", "x", "--filled", "21"], "--filled must be from 0 to 20"],
          [["placed", id, "b1", "--reason", "x", "--filled", "5"], "--filled and --price belong together"],
          [["placed", id, "b1", "--reason", "x", "--filled", "5", "--price", "ten"], "must be a price"]
        ] as const) {
          const wrong = yield* pulse("slice", ...args)
          assert.strictEqual(wrong.code, 1)
          assert.include(wrong.output, message)
        }

        const { sql, execute } = yield* Db
        // An hour ahead, so that the daemon does not resolve them first.
        yield* execute(
          "test.doubt",
          sql`
            UPDATE order_slices SET stage = 'IN_PROGRESS', claimed_by = 'gone', claimed_at = now(),
              lease_expires_at = now() + interval '1 hour', outcome_unknown_at = now() + interval '1 hour'
            WHERE sequence_number IN (2, 3)`
        )
        const [, second, third] = yield* sliceRows()
        const mine = yield* byTwoPeople(["slice", "placed", second?.id ?? "", " b1 ", "--reason", "seen"], environment)
        assert.deepStrictEqual([mine.code, mine.output], [0, `Slice o0/2 (${second?.id}) is PROCESSED as b1\n`])
        yield* execute(
          "test.again",
          sql`
            UPDATE order_slices SET stage = 'IN_PROGRESS', outcome_unknown_at = now() + interval '1 hour'
            WHERE sequence_number = 2`
        )
        const asJson = yield* pulse("slice", "placed", "o0/2", "b1", "--reason", "seen", "--json")
        assert.deepInclude(JSON.parse(asJson.output), {
          sequenceNumber: 2,
          was: "IN_PROGRESS",
          brokerOrderId: "b1",
          fill: null
        })
        const taken = yield* pulse("slice", "placed", third?.id ?? "", "b1", "--reason", "seen")
        assert.deepStrictEqual(
          [taken.code, taken.output.includes(`Broker order b1 is that of slice ${second?.id}`)],
          [1, true]
        )
        const inDoubt = yield* (yield* SliceCommands).placed(
          third?.id ?? "",
          { brokerOrderId: BrokerOrderId.make("b1"), fill: null },
          asked,
          yield* DateTime.now
        )
        assert.isFalse(inDoubt)
      }).pipe(Effect.provide(SliceCommands.layer), Effect.scoped)
    )
  )
})

describe("slice retry and actions", () => {
  it.live("retry a slice that is allowed, refuse others, and list who did what", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const environment = { ...quick, DATABASE_URL: url }
        const pulse = (...args: ReadonlyArray<string>) => runMain(args, environment)
        yield* pulse("halt", "--reason", " test ")
        yield* startMain([], environment)
        yield* insertOrders(1, { duration_minutes: 0 }, 0)
        yield* eventually("the order is split", stages, (counts) => counts["SCHEDULED"] === 5)
        const { sql, execute } = yield* Db
        yield* execute(
          "test.refuse",
          sql`UPDATE order_slices SET stage = 'FAILED', stage_reason = 'margin: too little' WHERE sequence_number = 1`
        )
        yield* execute(
          "test.claim",
          sql`
            UPDATE order_slices SET stage = 'IN_PROGRESS', claimed_by = 'daemon-7', claimed_at = now(),
              lease_expires_at = now() + interval '1 hour'
            WHERE sequence_number = 2`
        )
        const claimed = yield* pulse("slice", "skip", "o0/2", "--reason", "x")
        assert.strictEqual(claimed.code, 1)
        assert.match(claimed.output, /is IN_PROGRESS: nothing was changed\. daemon-7 has it in hand.*"order pause o0"/)
        for (const [args, message] of [
          [["o0/3"], "it is SCHEDULED: it is still to be sent. Nothing was changed."],
          [["o0/1", "--at", "noon"], "--at must be like 14:30, 14:30:15 or 2026-11-24T14:30:00+05:30"]
        ] as const) {
          const wrong = yield* pulse("slice", "retry", ...args, "--reason", "x")
          assert.deepStrictEqual([wrong.code, wrong.output.includes(message)], [1, true], wrong.output)
        }
        const retried = yield* pulse("slice", "retry", "o0/1", "--reason", "margin is there")
        assert.strictEqual(retried.code, 0, retried.output)
        assert.match(
          retried.output,
          /^Slice o0\/1 \(s\w+\) is SCHEDULED again, for .* \(UTC\); it was FAILED, margin: too little\n$/
        )
      }).pipe(Effect.scoped)
    )
  )
})

describe("order retry", () => {
  it.live("splits orders again whose split failed, and says beforehand when it would be too late", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const environment = { ...quick, DATABASE_URL: url }
        const pulse = (...args: ReadonlyArray<string>) => runMain(args, environment)
        const { sql, execute } = yield* Db
        const late = sql`now() - interval '3 hours'`
        yield* insertOrders(2, { total_quantity: 3, duration_minutes: 0 }, 0)
        yield* execute("test.late", sql`UPDATE orders SET created_at = ${late}, duration_minutes = 300 WHERE id = 'o1'`)
        yield* startMain([], environment)
        const isFailed = (id: string) => Effect.map(orderRow(id), ({ orderQueueStatus }) => orderQueueStatus)
        for (const id of ["o0", "o1"]) yield* eventually(`${id} fails`, isFailed(id), (status) => status === "FAILED")
        yield* execute("test.mend", sql`UPDATE orders SET total_quantity = 5, duration_minutes = 0`)
        const mended = yield* pulse("order", "retry", "o0", "--as", "asha", "--reason", "mended")
        assert.deepStrictEqual([mended.code, mended.output], [0, "Order o0 is split into 5 slices\n"])
        const over = yield* pulse("order", "retry", "o1")
        assert.strictEqual(over.code, 1)
        assert.match(
          over.output,
          /its window was over at .*: --start now has the window begin now. Nothing was changed/
        )
        const now = yield* pulse("order", "retry", "o1", "--start", "now", "--json")
        assert.deepInclude(JSON.parse(now.output), { orderId: "o1", slices: 5 })
        assert.match((yield* pulse("actions", "--order", "o0")).output, /asha .* order retry +o0 +mended +was FAILED/)
      }).pipe(Effect.scoped)
    )
  )
})

describe("order pause and order resume", () => {
  it.live("put one order on hold before or after its split, while the others continue", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const environment = { ...quick, DATABASE_URL: url }
        const pulse = (...args: ReadonlyArray<string>) => runMain(args, environment)
        yield* insertOrders(2, { duration_minutes: 0 }, 0)
        const pause = yield* pulse("order", "pause", "o0", "--reason", "news")
        assert.strictEqual(pause.code, 0, pause.output)
        yield* startMain([], environment)
        yield* eventually("the other order is placed", stages, (counts) => counts["PROCESSED"] === 5)
        assert.deepStrictEqual(yield* stages, { PROCESSED: 5, SCHEDULED: 5 })
        assert.match((yield* pulse("order", "show", "o0")).output, /held; on hold: paused by .*: news/)
        const again = yield* pulse("order", "pause", "o0")
        assert.deepStrictEqual([again.code, again.output.includes("is on hold already: paused by")], [1, true])
        assert.strictEqual((yield* pulse("order", "resume", "o0")).code, 0)
        yield* eventually("both are placed", stages, (counts) => counts["PROCESSED"] === 10)
        const late = yield* pulse("order", "resume", "o0")
        assert.deepStrictEqual([late.code, late.output.includes("is not on hold")], [1, true])
      }).pipe(Effect.scoped)
    )
  )

  it.live("stop an order in progress, and continue it from there", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const environment = { ...quick, DATABASE_URL: url }
        const pulse = (...args: ReadonlyArray<string>) => runMain(args, environment)
        const placedOf = (orderId: string) =>
          Effect.map(sliceRows(orderId), (slices) => slices.filter(({ stage }) => stage === "PROCESSED").length)
        yield* startMain([], environment)
        // Each order has four slices a second, for longer than the test takes.
        yield* insertOrders(2, { total_quantity: 1000, num_splits: 1000, duration_minutes: 4 }, 0)
        yield* eventually("the order is in progress", placedOf("o0"), (count) => count > 2)
        assert.strictEqual((yield* pulse("order", "pause", "o0", "--reason", "news", "--wait", "600")).code, 0)
        const [mine, others] = [yield* placedOf("o0"), yield* placedOf("o1")]
        yield* eventually("the other order continues", placedOf("o1"), (count) => count > others + 10)
        assert.strictEqual(yield* placedOf("o0"), mine)
        assert.strictEqual((yield* pulse("order", "resume", "o0")).code, 0)
        yield* eventually("the order continues", placedOf("o0"), (count) => count > mine + 10)
      }).pipe(Effect.scoped)
    )
  )

  it.live("health reports an order list that cannot be read, and still counts the service as healthy", () =>
    withDatabase((url) =>
      Effect.gen(function* () {
        const { sql, execute } = yield* Db
        const [living, ended] = [`living-${process.pid}`, `ended-${process.pid}`]
        yield* liveAs(living)
        yield* execute(
          "test.beat",
          sql`
            INSERT INTO workers (instance_id, worker, hostname, pid, version, started_at, heartbeat_at, stale_after_millis, layout, hold)
            SELECT ${living}, worker, ${hostname()}, 1, '1', now(), now(), 3600000, 2,
              CASE worker WHEN 'monitor' THEN 'the broker''s order list cannot be read' WHEN 'executor' THEN 'halted' END
            FROM unnest(ARRAY['splitter', 'executor', 'monitor']) AS worker`
        )
        const health = yield* runMain(["health"], { ...quick, DATABASE_URL: url })
        assert.strictEqual(health.code, 0, health.output)
        assert.include(health.output, "Note: the broker's order list cannot be read\n")
        assert.include(health.output, "Placements are on hold: halted\n")

        if (process.platform !== "linux") return
        // The heartbeats of a daemon that has ended say nothing of the one that starts, however fresh they are.
        yield* execute("test.ended", sql`UPDATE workers SET instance_id = ${ended}`)
        const after = yield* runMain(["health"], { ...quick, DATABASE_URL: url })
        assert.strictEqual(after.code, 1)
        assert.include(after.output, "no daemon works on")
      }).pipe(Effect.scoped)
    )
  )
})
