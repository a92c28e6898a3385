import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Layer, Option } from "effect"
import { TestConsole } from "effect/testing"
import { PlacementGate } from "../../src/broker/PlacementGate.ts"
import { Db } from "../../src/db/Db.ts"
import { BrokerOrderId, OrderId, SliceId, Tag } from "../../src/domain/model/Ids.ts"
import { makeDeliverNext, makeLook } from "../../src/notify/Notifier.ts"
import { DeliveryStore } from "../../src/stores/operations/DeliveryStore.ts"
import { NotificationStore } from "../../src/stores/operations/NotificationStore.ts"
import { OrderStore } from "../../src/stores/orders/OrderStore.ts"
import { SliceCommands } from "../../src/stores/slices/SliceCommands.ts"
import { deliveredKeys, failures, halt, notifierWith, outbox } from "../support/notifier.ts"
import { at, claimDue, move, splitOrder } from "../support/replanning.ts"
import { asked, insertOrder, setClock, sliceRows } from "../support/service.ts"

const service = notifierWith({})

const keys = Effect.map(outbox, (rows) => rows.map(({ key }) => key))

/** Two replicas that look independently. */
const twoLook = Effect.gen(function* () {
  const [one, other] = [yield* makeLook, yield* makeLook]
  return Effect.all([one, other, one], { concurrency: 2, discard: true })
})

describe("the facts that cause notifications", () => {
  it.effect("cause one each, however many replicas look and however often", () =>
    Effect.gen(function* () {
      yield* setClock()
      const look = yield* twoLook
      yield* look
      assert.deepStrictEqual(yield* keys, [])
      yield* halt(true)
      yield* halt(false)
      const double = {
        tag: Tag.make("PB1"),
        orderId: OrderId.make("o1"),
        sliceId: SliceId.make("s1"),
        brokerOrderIds: [BrokerOrderId.make("b1"), BrokerOrderId.make("b2")],
        reason: "twice"
      }
      yield* (yield* OrderStore).noteDouble(double, yield* DateTime.now, Effect.void)
      yield* look
      yield* look
      assert.deepStrictEqual(yield* keys, ["double:PB1:2", "halt:1", "halt:2"])
      yield* setClock("23 hours")
      yield* halt(true)
      yield* look
      assert.deepStrictEqual(yield* keys, ["double:PB1:2", "halt:1", "halt:2", "halt:3"])
    }).pipe(Effect.provide(service))
  )

  it.effect("are counted when they are new, so that they are delivered at once", () =>
    Effect.gen(function* () {
      yield* setClock()
      const look = yield* makeLook
      assert.strictEqual(yield* look, 0)
      yield* halt(true)
      yield* halt(false)
      assert.strictEqual(yield* look, 2)
      assert.strictEqual(yield* look, 0)
    }).pipe(Effect.provide(service))
  )

  it.effect("do not include old ones at the first start", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* halt(true)
      yield* setClock("25 hours")
      yield* yield* twoLook
      assert.deepStrictEqual(yield* keys, [])
    }).pipe(Effect.provide(service))
  )

  it.effect("include an unknown outcome that the order list should have resolved, once per order and day", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      yield* at(15)
      yield* move(yield* claimDue(2), () => ({ _tag: "Unknown", code: "outcome_unknown", reason: "no answer" }))
      const look = yield* twoLook
      // Quarantine of 120 s, and three minutes.
      yield* at(15 + 299)
      yield* look
      assert.deepStrictEqual(yield* keys, [])
      yield* at(15 + 300)
      yield* look
      yield* at(15 + 900)
      yield* look
      assert.deepStrictEqual(
        (yield* outbox).map(({ kind, message }) => [kind, message]),
        [
          [
            "outcome_unknown",
            '2 of the slices of order o1 may or may not be at the broker, since 00:00:15 (UTC): see "order show o1" and the ' +
              "broker's own pages"
          ]
        ]
      )
    }).pipe(Effect.provide(service))
  )

  it.effect("include another unknown outcome of the same order when the first is resolved", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      yield* move(yield* claimDue(1), () => ({ _tag: "Unknown", code: "outcome_unknown", reason: "no answer" }))
      const look = yield* twoLook
      yield* at(400)
      yield* look
      const [one = assert.fail("no slice")] = yield* sliceRows("o1")
      yield* (yield* SliceCommands).skip(one.id, asked, yield* DateTime.now)
      yield* move(yield* claimDue(1), () => ({ _tag: "Unknown", code: "outcome_unknown", reason: "no answer" }))
      yield* at(800)
      yield* look
      yield* look
      const [, other = assert.fail("no slice")] = yield* sliceRows("o1")
      assert.deepStrictEqual(
        yield* keys,
        [one, other].map(({ id }) => `unknown:o1:1970-01-01:${id}`)
      )
    }).pipe(Effect.provide(service))
  )

  it.effect("include a finished order that is not filled, except for what a person gave up", () =>
    Effect.gen(function* () {
      const store = yield* NotificationStore
      const noteUnfilled = Effect.andThen(
        Effect.flatMap(DateTime.now, store.noteUnfilled),
        Effect.map(outbox, (rows) => rows.map(({ message }) => message))
      )
      yield* splitOrder("o1", { num_splits: 2 })
      yield* insertOrder("o2", { num_splits: 1 })
      yield* move(yield* claimDue(1), () => ({ _tag: "Failed", code: "broker_refused", reason: "refused" }))
      assert.deepStrictEqual(yield* noteUnfilled, [])
      const [, second] = yield* sliceRows("o1")
      yield* (yield* SliceCommands).skip(second?.id ?? "", asked, yield* DateTime.now)
      assert.deepStrictEqual(yield* noteUnfilled, ["Order o1 (BUY 100 NSE:RELIANCE) is over, and 50 are missing"])
      assert.lengthOf(yield* noteUnfilled, 1)
    }).pipe(Effect.provide(service))
  )

  for (const [what, changed] of [
    ["skipped, its window over", "stage = 'SKIPPED', stage_reason = 'its window is over'"],
    ["refused", "stage = 'FAILED'"],
    [
      "cancelled at the broker",
      "stage = 'PROCESSED', broker_order_id = 'b' || id, broker_is_final = true, filled_quantity = 15"
    ]
  ] as const) {
    it.effect(`include an order of which every slice was ${what}`, () =>
      Effect.gen(function* () {
        const { sql, execute } = yield* Db
        yield* splitOrder("o1")
        const store = yield* NotificationStore
        const noteUnfilled = Effect.flatMap(DateTime.now, store.noteUnfilled)
        yield* execute("test.part", sql`UPDATE order_slices SET ${sql.literal(changed)} WHERE sequence_number < 5`)
        yield* noteUnfilled
        assert.deepStrictEqual(yield* keys, [])
        yield* execute("test.all", sql`UPDATE order_slices SET ${sql.literal(changed)}, updated_at = 'epoch'`)
        yield* at(25 * 3600)
        yield* noteUnfilled
        assert.deepStrictEqual(yield* keys, [])
        yield* at(23 * 3600)
        yield* noteUnfilled
        yield* noteUnfilled
        assert.deepStrictEqual(yield* keys, ["shortfall:o1"])
      }).pipe(Effect.provide(service))
    )
  }

  it.effect("include an order that was never split, unless it was cancelled", () =>
    Effect.gen(function* () {
      yield* setClock()
      const ended = { status_reason: "a reason", updated_at: "1970-01-01T00:00:00Z" }
      yield* insertOrder("o1", { ...ended, order_queue_status: "FAILED" })
      yield* insertOrder("o2", { ...ended, order_queue_status: "SKIPPED" })
      yield* insertOrder("o3", { ...ended, order_queue_status: "SKIPPED", cancel_requested_at: "1970-01-01T00:00:00Z" })
      yield* insertOrder("o4", { ...ended, order_queue_status: "PENDING" })
      const foreign = { side: null, total_quantity: null, instrument: null }
      yield* insertOrder("o5", { ...ended, ...foreign, order_queue_status: "FAILED" })
      const store = yield* NotificationStore
      yield* at(25 * 3600)
      yield* Effect.flatMap(DateTime.now, store.noteUnfilled)
      assert.deepStrictEqual(yield* keys, [])
      yield* at(60)
      yield* Effect.flatMap(DateTime.now, store.noteUnfilled)
      assert.deepStrictEqual(
        (yield* outbox).map(({ message }) => message),
        [
          "Order o1 (BUY 100 NSE:RELIANCE) is FAILED, and nothing of it was placed: a reason",
          "Order o2 (BUY 100 NSE:RELIANCE) is SKIPPED, and nothing of it was placed: a reason",
          "Order o5 is FAILED, and nothing of it was placed: a reason"
        ]
      )
    }).pipe(Effect.provide(service))
  )

  it.effect("include missing credentials, and limits of the day that are nearly or fully used up", () => {
    const environment = {
      BROKER_TYPE: "zerodha",
      ZERODHA_API_KEY: "key",
      TRADING_CALENDAR: "off",
      LIMIT_ORDERS_PER_DAY: "1"
    }
    return Effect.gen(function* () {
      const { sql, execute } = yield* Db
      const gate = yield* PlacementGate
      yield* splitOrder("o1", { num_splits: 1 })
      yield* execute("test.day", sql`UPDATE order_budgets SET day = '1970-01-01', granted_today = 4049`)
      const look = yield* makeLook
      yield* gate.close("credentials", "the Zerodha access token ended at six")
      yield* look
      // During its start a daemon has no token yet.
      assert.deepStrictEqual(yield* keys, ["desk:1970-01-01"])
      yield* execute("test.day", sql`UPDATE order_budgets SET granted_today = 4050`)
      yield* look
      yield* look
      assert.deepStrictEqual(
        (yield* outbox).map(({ key, message }) => [key, message]),
        [
          ["credentials:zerodha:1970-01-01:none", "Placements are on hold: the Zerodha access token ended at six"],
          ["desk:1970-01-01", "the day has 1 orders, of 1 that LIMIT_ORDERS_PER_DAY allows"],
          [
            "requests:zerodha:1970-01-01",
            "4050 of the 4500 order requests that placements may use today at zerodha are used"
          ]
        ]
      )
    }).pipe(Effect.provide(notifierWith(environment)))
  })

  it.effect("include refused credentials when the broker's words have a U+0000", () =>
    Effect.gen(function* () {
      yield* setClock()
      const gate = yield* PlacementGate
      const look = yield* makeLook
      yield* gate.close("credentials", "Incorrect\u0000 token \ud83d")
      yield* look
      yield* look
      assert.deepStrictEqual(
        (yield* outbox).map(({ message }) => message),
        ["Placements are on hold: Incorrect\uFFFD token \uFFFD"]
      )
    }).pipe(Effect.provide(service))
  )
})

describe("a notification", () => {
  const noted = Effect.gen(function* () {
    yield* setClock()
    yield* halt(true)
    yield* yield* makeLook
  })

  it.effect("is delivered by one of several replicas", () =>
    Effect.gen(function* () {
      yield* noted
      yield* halt(false)
      yield* yield* makeLook
      const deliver = yield* makeDeliverNext
      yield* Effect.all([deliver, deliver, deliver, deliver], { concurrency: "unbounded" })
      yield* deliver
      assert.sameMembers(deliveredKeys(), ["halt:1", "halt:2"])
      assert.isTrue((yield* outbox).every(({ isOver, attempts }) => isOver && attempts === 1))
    }).pipe(Effect.provide(service))
  )

  it.effect("is tried again at increasing intervals until the webhook accepts it", () =>
    Effect.gen(function* () {
      yield* noted
      const deliver = yield* makeDeliverNext
      failures.push("it answered 503", "it answered 503", "it answered 503")
      const triedAt: Array<number> = []
      for (let second = 0; second <= 40; second += 1) {
        yield* at(second)
        const before = failures.length + (deliveredKeys().length === 0 ? 1 : 0)
        yield* deliver
        if (failures.length + (deliveredKeys().length === 0 ? 1 : 0) !== before) triedAt.push(second)
      }
      assert.deepStrictEqual(triedAt, [0, 5, 15, 35])
      assert.deepStrictEqual(deliveredKeys(), ["halt:1"])
    }).pipe(Effect.provide(service))
  )

  it.effect("does not wait for its time again when the database's clock is set back", () =>
    Effect.gen(function* () {
      yield* setClock("1 hour")
      yield* halt(true)
      yield* Effect.flatten(makeLook)
      yield* setClock()
      yield* Effect.flatten(makeDeliverNext)
      assert.deepStrictEqual(deliveredKeys(), ["halt:1"])
    }).pipe(Effect.provide(service))
  )

  it.effect("is delivered by another daemon when the first one dies", () =>
    Effect.gen(function* () {
      yield* noted
      const store = yield* DeliveryStore
      assert.isTrue(Option.isSome(yield* store.claim(yield* DateTime.now)))
      const deliver = yield* makeDeliverNext
      yield* at(59)
      yield* deliver
      assert.deepStrictEqual(deliveredKeys(), [])
      yield* at(60)
      yield* deliver
      assert.deepStrictEqual(deliveredKeys(), ["halt:1"])
    }).pipe(Effect.provide(service))
  )

  it.effect("is given up, and not delivered late, when no daemon could deliver it for an hour", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* halt(false)
      yield* yield* makeLook
      yield* setClock("70 minutes")
      yield* halt(false)
      yield* yield* makeLook
      const deliver = yield* makeDeliverNext
      yield* Effect.all([deliver, deliver], { concurrency: 2 })
      assert.deepStrictEqual(deliveredKeys(), ["halt:2"])
      assert.deepStrictEqual(
        (yield* outbox).map(({ key, isOver, attempts }) => [key, isOver, attempts]),
        [
          ["halt:1", true, 0],
          ["halt:2", true, 1]
        ]
      )
      const lines = (yield* TestConsole.logLines).map(String)
      assert.lengthOf(
        lines.filter((line) => /Nobody was told within 1h, in 0 attempts: no daemon.*Placements go on/.test(line)),
        1
      )
    }).pipe(Effect.provide(Layer.mergeAll(service, TestConsole.layer)))
  )

  it.effect("is given up after an hour of failures, with a log line", () =>
    Effect.gen(function* () {
      yield* setClock()
      yield* halt(false)
      yield* yield* makeLook
      const deliver = yield* makeDeliverNext
      failures.push(...Array.from({ length: 100 }, () => "it answered 503"))
      for (let minute = 0; minute <= 120; minute += 5) {
        yield* setClock(Duration.minutes(minute))
        yield* deliver
      }
      assert.deepStrictEqual(deliveredKeys(), [])
      const [row = assert.fail("no row")] = yield* outbox
      assert.isTrue(row.isOver)
      assert.strictEqual(row.attempts, 13)
      const lines = (yield* TestConsole.logLines).map(String)
      assert.lengthOf(
        lines.filter((line) =>
          /Nobody was told within 1h.*it answered 503.*Placements go on: resumed by me/.test(line)
        ),
        1
      )
    }).pipe(Effect.provide(Layer.mergeAll(service, TestConsole.layer)))
  )
})
