import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Option, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import { BrokerOrderId, sliceIdOf, OrderId, Tag, tagOf } from "../../src/domain/model/Ids.ts"
import type { ServerPosition } from "../../src/domain/operations/serverHistory.ts"
import { Instance } from "../../src/runtime/Instance.ts"
import { HaltStore, lostClaims } from "../../src/stores/operations/HaltStore.ts"
import { HistoryStore, theService } from "../../src/stores/operations/HistoryStore.ts"
import { LookoutStore } from "../../src/stores/operations/LookoutStore.ts"
import { ReplanStore } from "../../src/stores/orders/ReplanStore.ts"
import { SliceStore } from "../../src/stores/slices/SliceStore.ts"
import { failOver, position, waitForAll } from "../support/history.ts"
import { amendOrder, at, claimDue, conservation, move, splitOrder } from "../support/replanning.ts"
import { openOrder, scriptedBroker } from "../support/scriptedBroker.ts"
import { serviceLayer, sliceRows } from "../support/service.ts"

const service = serviceLayer({ broker: scriptedBroker })
const wait = Duration.minutes(3)

const claimWith = (seen: ServerPosition | null) =>
  Effect.gen(function* () {
    const now = yield* DateTime.now
    const leaseExpiresAt = DateTime.add(now, { minutes: 2 })
    return yield* (yield* SliceStore).claimDue({ now, horizon: now, leaseExpiresAt, owner: "owner", limit: 10, seen })
  })

const mark = Effect.gen(function* () {
  yield* (yield* HistoryStore).mark("a test", false, yield* DateTime.now)
})

const settle = (options: { readonly halt?: string; readonly wait?: Duration.Duration } = {}) =>
  Effect.gen(function* () {
    const store = yield* HistoryStore
    const now = yield* DateTime.now
    const unsettled = yield* store.unsettled(now)
    if (Option.isNone(unsettled)) return false
    return yield* store.settle({ since: unsettled.value.since, wait, halt: null, ...options, now })
  })

const forget = Effect.gen(function* () {
  yield* failOver
  yield* mark
  yield* waitForAll
})

const versions = Effect.map(sliceRows("o1"), (rows) => rows.map(({ claimVersion }) => claimVersion))

const tags = Effect.map(sliceRows("o1"), (rows) => rows.map(({ tag }) => Tag.make(tag)))

describe("a claim", () => {
  it.effect("is made on the recorded history only, and at once again when it is settled", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      yield* at(15)
      yield* failOver
      assert.isEmpty(yield* claimDue())
      yield* mark
      assert.isEmpty(yield* claimDue())
      yield* waitForAll
      assert.isTrue(yield* settle())
      assert.lengthOf(yield* claimDue(), 2)
    }).pipe(Effect.provide(service))
  )

  it.effect("is refused by a server that has written less than the daemon has seen, or is on another timeline", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      yield* at(15)
      const now = yield* position
      assert.isEmpty(yield* claimWith({ ...now, logPosition: now.logPosition + 1e9 }))
      assert.isEmpty(yield* claimWith({ ...now, timeline: "0000000A" }))
      assert.lengthOf(yield* claimWith(now), 2)
    }).pipe(Effect.provide(service))
  )

  it.effect("reads the history once, however many slices are due", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1", { total_quantity: 500, num_splits: 500 })
      const { sql } = yield* Db
      yield* at(600)
      const rows = yield* sql<{ readonly "QUERY PLAN": string }>`
        EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF)
        WITH history AS MATERIALIZED (SELECT h.version_base FROM server_history h CROSS JOIN server_history_now() n
          WHERE h.timeline = n.timeline)
        SELECT slice FROM slice_queue WHERE claim = 0 AND EXISTS (SELECT FROM history)`
      const plan = rows.map((row) => row["QUERY PLAN"]).join("\n")
      assert.match(plan, /Function Scan on server_history_now n \(actual rows=1(\.00)? loops=1\)/, plan)
      assert.match(plan, /One-Time Filter/, plan)
      assert.lengthOf(yield* claimDue(500), 500)
    }).pipe(Effect.provide(service))
  )
})

describe("HistoryStore.settle", () => {
  it.effect("waits, and settles only the loss that was looked up", () =>
    Effect.gen(function* () {
      const store = yield* HistoryStore
      yield* splitOrder("o1")
      const now = yield* DateTime.now
      assert.isTrue(Option.isNone(yield* store.unsettled(now)))
      yield* failOver
      yield* mark
      const first = Option.getOrThrow(yield* store.unsettled(now))
      assert.isFalse(yield* store.settle({ since: first.since, wait, halt: null, now }))
      yield* mark
      assert.deepStrictEqual(Option.getOrThrow(yield* store.unsettled(now)).since, first.since, "it begins once")
      yield* store.mark("again", true, now)
      const again = Option.getOrThrow(yield* store.unsettled(now))
      assert.isTrue(DateTime.isGreaterThanOrEqualTo(again.since, first.since))
      yield* waitForAll
      assert.isFalse(yield* store.settle({ since: again.since, wait, halt: null, now }), "another loss")
      assert.isTrue(yield* settle())
      assert.isFalse(yield* settle())
    }).pipe(Effect.provide(service))
  )

  it.effect("halts with the settlement where a person has to look", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      yield* at(15)
      yield* forget
      assert.isTrue(yield* settle({ halt: "look at it" }))
      const halt = Option.getOrThrow(yield* (yield* HaltStore).current)
      assert.deepInclude(halt, { isHalted: true, reason: "look at it", requestedBy: theService })
      assert.isEmpty(yield* claimDue())
    }).pipe(Effect.provide(service))
  )

  it.effect(
    "fences what was claimed on the lost history, though it had the same slice and the same count of claims",
    () =>
      Effect.gen(function* () {
        yield* splitOrder("o1")
        const [lost = assert.fail("nothing is due")] = yield* claimDue(1)
        // The standby has not got the claim.
        const { sql, execute } = yield* Db
        yield* execute("test.lose", sql`UPDATE slice_queue SET claim = 0, version = 0`)
        yield* forget
        yield* settle()
        const [claimed = assert.fail("nothing is due")] = yield* claimDue(1)
        assert.strictEqual(claimed.id, lost.id)
        assert.isAbove(claimed.claimVersion, lost.claimVersion + 1_000_000)
        const refused = { _tag: "Failed", code: "broker_refused", reason: "margin" } as const
        assert.isEmpty(yield* move([lost], () => refused))
        assert.lengthOf(yield* move([claimed], () => refused), 1)
      }).pipe(Effect.provide(service))
  )
})

describe("HistoryStore.adopt", () => {
  it.effect("gives slices their broker orders, wherever they are, unless they have changed or have one", () =>
    Effect.gen(function* () {
      const store = yield* HistoryStore
      yield* splitOrder("o1")
      yield* at(60)
      const [failed, skipped, claimed] = yield* claimDue(3)
      yield* move([failed ?? assert.fail()], () => ({ _tag: "Failed", code: "broker_refused", reason: "margin" }))
      yield* move([skipped ?? assert.fail()], () => ({ _tag: "Skipped", code: "window_over", reason: "late" }))
      assert.isDefined(claimed)
      const before = yield* store.tagged(new Set(yield* tags))
      assert.sameMembers(
        before.map(({ stage }) => stage),
        ["FAILED", "SKIPPED", "IN_PROGRESS", "SCHEDULED", "SCHEDULED"]
      )
      const found = before.map((slice, index) => ({ slice, order: openOrder(slice.tag, index + 1) }))
      const now = yield* DateTime.now
      assert.strictEqual((yield* store.adopt(found.slice(0, 4), "found", now)).size, 4)
      assert.strictEqual((yield* store.adopt(found, "found", now)).size, 1, "the others have one")
      const rows = yield* sliceRows("o1")
      assert.isTrue(rows.every(({ stage, brokerOrderId }) => stage === "PROCESSED" && brokerOrderId !== null))
      const [order = assert.fail("no order")] = yield* conservation
      assert.deepInclude(order, { unaccounted: 0, overfilled: 0, working: 100 })
      // Who had claimed it writes nothing any more.
      assert.isEmpty(yield* move([claimed], () => ({ _tag: "Failed", code: "broker_refused", reason: "margin" })))
    }).pipe(Effect.provide(service))
  )
})

describe("an orphaned tag", () => {
  it.effect("puts the order on hold that gets it, and its slice has the broker order from the start", () =>
    Effect.gen(function* () {
      const [found, another] = [1, 3].map((number) => tagOf(sliceIdOf(OrderId.make("o1"), number)))
      const orphans = [found ?? assert.fail(), another ?? assert.fail()].map((tag) => ({
        tag,
        brokerOrderIds: [BrokerOrderId.make(`b-${tag}`)]
      }))
      const { noteOrphans } = yield* HistoryStore
      assert.strictEqual(yield* noteOrphans(orphans, yield* DateTime.now), 2)
      yield* splitOrder("o1")
      const rows = yield* sliceRows("o1")
      assert.deepStrictEqual(
        rows.map(({ stage, brokerOrderId }) => [stage, brokerOrderId]),
        [
          ["PROCESSED", `b-${found}`],
          ["SCHEDULED", null],
          ["PROCESSED", `b-${another}`],
          ["SCHEDULED", null],
          ["SCHEDULED", null]
        ]
      )
      yield* at(60)
      assert.isEmpty(yield* claimDue())
      const { sql, queryOne } = yield* Db
      const order = yield* queryOne(
        "test.hold",
        Schema.Struct({ holdReasonCode: Schema.String }),
        sql`SELECT hold_reason_code FROM orders WHERE id = 'o1'`
      )
      assert.strictEqual(order.holdReasonCode, "orphaned_orders")
      assert.strictEqual((yield* conservation)[0]?.unaccounted, 0)
      assert.lengthOf(yield* (yield* SliceStore).open(null, 10, yield* DateTime.now), 2)
    }).pipe(Effect.provide(service))
  )
})

describe("an unsettled history", () => {
  it.effect("allows no new plan", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1", { carry_unfilled: true })
      yield* failOver
      const { message } = yield* Effect.flip(amendOrder("o1", { remainingQuantity: 50 }))
      assert.include(message, "may have forgotten")
      yield* at(30)
      const { wantingPlan } = yield* ReplanStore
      assert.isEmpty(yield* wantingPlan(null, 10, { now: yield* DateTime.now, isHeld: false }))
      yield* mark
      yield* waitForAll
      yield* settle()
      assert.isNotNull(yield* amendOrder("o1", { remainingQuantity: 50 }))
    }).pipe(Effect.provide(service))
  )

  it.effect("shows in the lookout's look, which notes when it has seen a settled one", () =>
    Effect.gen(function* () {
      const { sql, queryOne } = yield* Db
      const look = Effect.gen(function* () {
        const beat = { instance: yield* Instance, startedAt: yield* DateTime.now, broker: "mock", heartbeats: [] }
        return yield* (yield* LookoutStore).look({
          beat,
          now: yield* DateTime.now,
          withBootId: false,
          knownUntil: null
        })
      })
      const seenAt = Effect.map(
        queryOne(
          "test.seen",
          Schema.Struct({ seenAt: Schema.NullOr(Schema.DateTimeUtcFromDate) }),
          sql`SELECT seen_at FROM server_history`
        ),
        ({ seenAt }) => (seenAt === null ? null : DateTime.toEpochMillis(seenAt))
      )
      yield* at(0)
      assert.isTrue((yield* look).isHistorySettled)
      assert.strictEqual(yield* seenAt, 0)
      yield* at(59)
      yield* look
      assert.strictEqual(yield* seenAt, 0, "once a minute")
      yield* at(60)
      yield* look
      assert.strictEqual(yield* seenAt, 60_000)
      yield* failOver
      yield* at(180)
      assert.isFalse((yield* look).isHistorySettled)
      assert.strictEqual(yield* seenAt, 60_000)
    }).pipe(Effect.provide(service))
  )
})

describe("HaltStore.waitingFor", () => {
  it.effect("names those whose claims the database may have forgotten, for a halt", () =>
    Effect.gen(function* () {
      const halts = yield* HaltStore
      const now = yield* DateTime.now
      const asked = { reason: "a reason", requestedBy: "somebody", requestedAt: now }
      const halt = yield* halts.request({ ...asked, isHalted: true })
      assert.isEmpty(yield* halts.waitingFor(halt, now))
      yield* failOver
      assert.deepStrictEqual(yield* halts.waitingFor(halt, now), [lostClaims])
      yield* mark
      assert.deepStrictEqual(yield* halts.waitingFor(halt, now), [lostClaims])
      assert.isEmpty(yield* halts.waitingFor(yield* halts.request({ ...asked, isHalted: false }), now))
    }).pipe(Effect.provide(service))
  )
})

describe("HaltStore.restore", () => {
  it.effect("halts as it was, unless there is a halt", () =>
    Effect.gen(function* () {
      const halts = yield* HaltStore
      const now = yield* DateTime.now
      const halt = { reason: "a reason", requestedBy: "somebody", requestedAt: DateTime.makeUnsafe(-1000) }
      yield* halts.restore(halt, now)
      yield* halts.restore(halt, now)
      const restored = Option.getOrThrow(yield* halts.current)
      assert.deepStrictEqual(restored, { id: 1, isHalted: true, ...halt })
    }).pipe(Effect.provide(service))
  )
})

describe("the versions of claims", () => {
  it.effect("are the slices' own until something is lost", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      yield* at(15)
      yield* claimDue()
      assert.deepStrictEqual(yield* versions, [1, 1, 0, 0, 0])
    }).pipe(Effect.provide(service))
  )
})
