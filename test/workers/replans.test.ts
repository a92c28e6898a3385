import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime, Effect, Layer, Schema } from "effect"
import { PlacementGate } from "../../src/broker/PlacementGate.ts"
import { Db } from "../../src/db/Db.ts"
import { Instrument } from "../../src/domain/model/Order.ts"
import { QuoteStore } from "../../src/stores/account/QuoteStore.ts"
import { OrderCommands } from "../../src/stores/orders/OrderCommands.ts"
import { PlanStore } from "../../src/stores/orders/PlanStore.ts"
import { makeFollowBroker } from "../../src/workers/monitor/followBroker.ts"
import { makeFollowThrough } from "../../src/workers/monitor/followThrough.ts"
import {
  amendOrder,
  at,
  brokerSays,
  claimDue,
  conservation,
  explained,
  move,
  placeDue,
  splitOrder
} from "../support/replanning.ts"
import { BrokerScript, scriptedBroker } from "../support/scriptedBroker.ts"
import { insertOrder, orderRow, serviceLayer, sliceRows } from "../support/service.ts"

const service = PlanStore.layer.pipe(Layer.provideMerge(serviceLayer({ broker: scriptedBroker })))

const follow = Effect.flatten(makeFollowThrough)
const followBroker = Effect.flatten(makeFollowBroker)

const reliance = Instrument.make("NSE:RELIANCE")
const limitOrder = { order_type: "LIMIT", limit_price: "100.0000" }

/** The slices still to be sent: seconds after the start, quantity and order type. */
const toSend = Effect.flatMap(Db, ({ sql, query }) =>
  query(
    "test.toSend",
    Schema.Struct({ seconds: Schema.Number, quantity: Schema.Int, orderType: Schema.String }),
    sql`
      SELECT extract(epoch FROM scheduled_at)::float8 AS seconds, quantity, order_type
      FROM order_slices WHERE stage = 'SCHEDULED' ORDER BY sequence_number`
  )
)

const progress = (id: string) =>
  Effect.gen(function* () {
    const found = yield* (yield* OrderCommands).progress(id)
    const { state, statusReason, holdReason } = yield* Effect.fromOption(found)
    return { state, statusReason, holdReason }
  })

const causes = (id: string) =>
  Effect.gen(function* () {
    return (yield* (yield* PlanStore).plans(id)).map(({ cause }) => cause)
  })

describe("a carry", () => {
  it.effect("takes the unfilled quantity of a LIMIT slice once its cancel is confirmed", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1", { ...limitOrder, carry_unfilled: true, cancel_unfilled_after_seconds: 5 })
      const [first] = yield* placeDue
      yield* at(5)
      yield* followBroker
      assert.deepStrictEqual((yield* BrokerScript).cancelled.length, 1)
      // The cancel is requested, and more may still be filled: nothing is carried yet.
      yield* follow
      assert.deepStrictEqual(yield* causes("o1"), ["SPLIT"])

      yield* brokerSays(first?.tag ?? "", { status: "CANCELLED", filledQuantity: 5 })
      yield* followBroker
      yield* follow
      // Not at once: catch-up slices stay a third of the planned interval of 12 s apart.
      assert.deepStrictEqual(yield* toSend, [
        { seconds: 5, quantity: 19, orderType: "LIMIT" },
        { seconds: 18.75, quantity: 19, orderType: "LIMIT" },
        { seconds: 32.5, quantity: 19, orderType: "LIMIT" },
        { seconds: 46.25, quantity: 19, orderType: "LIMIT" },
        { seconds: 60, quantity: 19, orderType: "LIMIT" }
      ])
      const [{ filled, scheduled, unaccounted } = assert.fail("no order")] = yield* conservation
      assert.deepStrictEqual({ filled, scheduled, unaccounted }, { filled: 5, scheduled: 95, unaccounted: 0 })
      assert.deepStrictEqual(yield* explained("o1"), [
        { cause: "SPLIT", differing: [] },
        { cause: "CARRY", differing: [] }
      ])
    }).pipe(Effect.provide(service))
  )

  it.effect("never exceeds three times the planned pace when slices stay unfilled", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1", { ...limitOrder, carry_unfilled: true })
      const sentAt: Array<number> = []
      for (let second = 0; second < 60; second += 1) {
        yield* at(second)
        for (const { tag } of yield* placeDue) {
          sentAt.push(second)
          yield* brokerSays(tag, { status: "CANCELLED" })
        }
        yield* followBroker
        yield* follow
      }
      const gaps = sentAt.slice(1).map((second, index) => second - (sentAt[index] ?? 0))
      assert.isAtLeast(Math.min(...gaps), 4, sentAt.join(" "))
      assert.deepInclude((yield* conservation)[0], { filled: 0, unaccounted: 0 })
    }).pipe(Effect.provide(service))
  )

  it.effect("takes rejected and refused quantities if the order wants it", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1", { carry_rejected: true })
      const [first] = yield* placeDue
      yield* brokerSays(first?.tag ?? "", { status: "REJECTED" })
      yield* followBroker
      yield* at(15)
      yield* move(yield* claimDue(), () => ({ _tag: "Failed", code: "broker_refused", reason: "refused" }))
      yield* follow
      const quantities = (yield* toSend).map(({ quantity }) => quantity)
      assert.deepStrictEqual(quantities, [20, 20, 20, 20, 20])
      assert.deepInclude((yield* conservation)[0], { scheduled: 100, givenUp: 0, unaccounted: 0 })
    }).pipe(Effect.provide(service))
  )

  it.effect("takes nothing that the order does not want carried", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1", { carry_unfilled: true })
      yield* move(yield* claimDue(), () => ({ _tag: "Failed", code: "broker_refused", reason: "refused" }))
      yield* follow
      assert.deepStrictEqual(yield* causes("o1"), ["SPLIT"])
    }).pipe(Effect.provide(service))
  )
})

describe("the completion at the window's end", () => {
  const crossing = { ...limitOrder, completion: "CROSS", cancel_unfilled_after_seconds: 61 }

  /** Sends all slices in time; none of them is filled. */
  const sendAllOf = (order: Readonly<Record<string, unknown>>) =>
    Effect.gen(function* () {
      yield* splitOrder("o1", order)
      for (const seconds of [0, 15, 30, 45]) {
        yield* at(seconds)
        yield* placeDue
      }
      yield* at(60)
    })
  const sendAll = sendAllOf(crossing)

  const cancelOpen = Effect.gen(function* () {
    yield* followBroker
    const { cancelled, orderList } = yield* BrokerScript
    for (const { tag } of orderList.filter(({ brokerOrderId }) => cancelled.includes(brokerOrderId))) {
      yield* brokerSays(tag, { status: "CANCELLED", filledQuantity: 1 })
    }
    yield* followBroker
  })

  it.effect("first cancels what is open, then sends the unfilled quantity as MARKET", () =>
    Effect.gen(function* () {
      yield* sendAll
      yield* follow
      assert.deepStrictEqual(yield* causes("o1"), ["SPLIT"])
      yield* cancelOpen
      yield* follow
      // 4 are filled, and the last slice was not sent.
      assert.deepStrictEqual(yield* toSend, [{ seconds: 60, quantity: 96, orderType: "MARKET" }])
      assert.deepInclude((yield* conservation)[0], { filled: 4, scheduled: 96, givenUp: 0, unaccounted: 0 })
      assert.deepStrictEqual((yield* explained("o1")).at(-1), { cause: "COMPLETION", differing: [] })

      const [last] = yield* placeDue
      yield* brokerSays(last?.tag ?? "", { status: "COMPLETE", filledQuantity: 96 })
      yield* followBroker
      yield* follow
      assert.deepStrictEqual(yield* progress("o1"), { state: "filled", statusReason: null, holdReason: null })
    }).pipe(Effect.provide(service))
  )

  it.effect("sends the rest of an unfilled completion again after ten seconds, not sooner", () =>
    Effect.gen(function* () {
      yield* sendAll
      yield* cancelOpen
      yield* follow
      const [completion] = yield* placeDue
      yield* brokerSays(completion?.tag ?? "", { status: "PARTIALLY_FILLED", filledQuantity: 50 })
      const { cancelled } = yield* BrokerScript
      const before = cancelled.length
      yield* at(69)
      yield* followBroker
      assert.strictEqual(cancelled.length, before)
      yield* at(70)
      yield* followBroker
      assert.strictEqual(cancelled.length, before + 1)
      yield* brokerSays(completion?.tag ?? "", { status: "CANCELLED", filledQuantity: 50 })
      yield* followBroker
      yield* follow
      assert.deepStrictEqual(yield* toSend, [{ seconds: 70, quantity: 46, orderType: "MARKET" }])
      assert.deepInclude((yield* conservation)[0], { filled: 54, scheduled: 46, unaccounted: 0 })
    }).pipe(Effect.provide(service))
  )

  it.effect("leaves out the quantity in doubt, and completes the rest", () =>
    Effect.gen(function* () {
      yield* sendAll
      yield* move(yield* claimDue(), () => ({ _tag: "Unknown", code: "outcome_unknown", reason: "no answer" }))
      yield* cancelOpen
      yield* follow
      assert.deepStrictEqual(yield* toSend, [{ seconds: 60, quantity: 76, orderType: "MARKET" }])
      assert.deepInclude((yield* conservation)[0], { filled: 4, inDoubt: 20, scheduled: 76, unaccounted: 0 })
    }).pipe(Effect.provide(service))
  )

  /** Completes all but the last slice, which is in doubt; reconciliation then finds it not placed, too late for its plan. */
  const comeBackLate = (completion: "filled" | "refused") =>
    Effect.gen(function* () {
      yield* sendAllOf({ ...crossing, lateness_policy: "RESPREAD", max_lateness_seconds: 10 })
      const inDoubt = yield* claimDue()
      yield* move(inDoubt, () => ({ _tag: "Unknown", code: "outcome_unknown", reason: "no answer" }))
      yield* cancelOpen
      yield* follow
      if (completion === "refused")
        yield* move(yield* claimDue(), () => ({ _tag: "Failed", code: "broker_refused", reason: "no funds" }))
      else {
        const [completing] = yield* placeDue
        yield* brokerSays(completing?.tag ?? "", { status: "COMPLETE", filledQuantity: 76 })
      }
      yield* at(80)
      yield* move(inDoubt, () => ({
        _tag: "Rescheduled",
        code: "broker_try_later",
        reason: "not placed",
        notBefore: null
      }))
      yield* followBroker
      yield* follow
    })

  it.effect("includes a slice that reconciliation releases too late for its plan", () =>
    Effect.gen(function* () {
      yield* comeBackLate("filled")
      assert.deepStrictEqual(yield* toSend, [{ seconds: 80, quantity: 20, orderType: "MARKET" }])
      assert.deepInclude((yield* conservation)[0], { filled: 80, scheduled: 20, unaccounted: 0 })
    }).pipe(Effect.provide(service))
  )

  it.effect("gives that slice up when the broker refuses the completion", () =>
    Effect.gen(function* () {
      yield* comeBackLate("refused")
      assert.deepStrictEqual(yield* toSend, [])
      yield* follow
      assert.strictEqual((yield* progress("o1")).state, "partial")
      assert.deepInclude((yield* conservation)[0], { filled: 4, givenUp: 96, unaccounted: 0 })
    }).pipe(Effect.provide(service))
  )

  it.effect("reports what could not be completed, with the reason", () =>
    Effect.gen(function* () {
      yield* sendAll
      yield* cancelOpen
      yield* follow
      assert.strictEqual((yield* progress("o1")).state, "working")
      yield* move(yield* claimDue(), () => ({ _tag: "Failed", code: "broker_refused", reason: "no funds" }))
      yield* follow
      assert.deepStrictEqual(yield* progress("o1"), {
        state: "partial",
        statusReason: "96 are missing: it cannot be completed: what was to complete it was refused, or not sent",
        holdReason: null
      })
      assert.deepInclude((yield* conservation)[0], { filled: 4, givenUp: 96, unaccounted: 0 })
      // Late arrivals at the broker fill a part of it, and then all.
      const { sql, execute } = yield* Db
      const fill = (quantity: number) =>
        execute(
          "test.fill",
          sql`
            UPDATE order_slices SET stage = 'PROCESSED', broker_order_id = 'late', broker_is_final = true,
              filled_quantity = ${quantity}
            WHERE stage = 'FAILED' OR broker_order_id = 'late'`
        )
      yield* fill(90)
      assert.strictEqual(
        (yield* progress("o1")).statusReason,
        "6 are missing: it cannot be completed: what was to complete it was refused, or not sent"
      )
      yield* fill(96)
      assert.deepStrictEqual(yield* progress("o1"), { state: "filled", statusReason: null, holdReason: null })
    }).pipe(Effect.provide(service))
  )
})

describe("the completion under a limit by value", () => {
  const crossing = { ...limitOrder, completion: "CROSS" }
  const limited = PlanStore.layer.pipe(
    Layer.provideMerge(
      serviceLayer({
        broker: scriptedBroker,
        environment: { LIMIT_SLICE_VALUE: "11000", LIMIT_ORDER_VALUE: "11000" }
      })
    )
  )
  const saveQuote = (price: string) =>
    Effect.gen(function* () {
      const quote = { instrument: reliance, lastPrice: BigDecimal.fromStringUnsafe(price), dayVolume: null }
      yield* (yield* QuoteStore).save("test", [quote], yield* DateTime.now)
    })

  it.effect("values the MARKET order by the last price, which its slices carry at the claim", () =>
    Effect.gen(function* () {
      yield* saveQuote("105")
      yield* splitOrder("o1", crossing)
      yield* at(60)
      yield* saveQuote("109")
      yield* follow
      assert.deepStrictEqual(yield* toSend, [{ seconds: 60, quantity: 100, orderType: "MARKET" }])
      const [slice] = yield* claimDue()
      assert.deepStrictEqual(slice?.referencePrice, BigDecimal.make(1_050_000n, 4))
    }).pipe(Effect.provide(limited))
  )

  const refuseAll = Effect.gen(function* () {
    yield* splitOrder("o1", crossing)
    yield* at(60)
    yield* move(yield* claimDue(), () => ({ _tag: "Failed", code: "broker_refused", reason: "refused" }))
  })

  it.effect("makes as many slices as the limit requires, whatever number the order asked for", () =>
    Effect.gen(function* () {
      yield* refuseAll
      yield* saveQuote("111")
      yield* follow
      assert.deepStrictEqual(
        (yield* toSend).map(({ quantity }) => quantity),
        [50, 50]
      )
    }).pipe(Effect.provide(limited))
  )

  it.effect("is refused with its reason when no price is known", () =>
    Effect.gen(function* () {
      yield* refuseAll
      yield* follow
      assert.include((yield* progress("o1")).statusReason, "no price of its instrument is known to value the slice by")
    }).pipe(Effect.provide(limited))
  )
})

describe("an order without a possible new plan", () => {
  const damage = (column: string, value: string) =>
    Effect.flatMap(Db, ({ sql, execute }) =>
      execute("test.damage", sql`UPDATE orders SET ${sql.literal(column)} = ${value}`)
    )

  it.effect("is put on hold with the reason when its row is damaged, and others get their plans", () =>
    Effect.gen(function* () {
      const late = { lateness_policy: "RESPREAD", max_lateness_seconds: 10 }
      yield* splitOrder("o1", late)
      yield* damage("side", "BOTH")
      yield* insertOrder("o2", late)
      yield* splitOrder("o3", late)
      yield* at(41)
      yield* follow
      const { holdReason } = yield* progress("o1")
      assert.include(holdReason, "it needs a new plan, and none is possible: its row is not valid any more: side: ")
      assert.deepStrictEqual(yield* causes("o2"), ["SPLIT", "LATENESS"])
      // It is put on hold once, not with each pass.
      yield* follow
      assert.strictEqual((yield* progress("o1")).holdReason, holdReason)
    }).pipe(Effect.provide(service))
  )

  it.effect("is put on hold when its rows cannot be read at all", () =>
    Effect.gen(function* () {
      const late = { lateness_policy: "RESPREAD", max_lateness_seconds: 10 }
      yield* splitOrder("o1", late)
      yield* Effect.flatMap(Db, ({ sql, execute }) =>
        execute("test.damage", sql`UPDATE order_plans SET starts_at = 'infinity'`)
      )
      yield* insertOrder("o2", late)
      yield* splitOrder("o3", late)
      yield* at(41)
      yield* follow
      assert.isNotNull((yield* progress("o1")).holdReason)
      assert.deepStrictEqual(yield* causes("o2"), ["SPLIT", "LATENESS"])
    }).pipe(Effect.provide(service))
  )

  it.effect("is not amended to more than the maximum quantity", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1")
      yield* claimDue()
      const refused = yield* Effect.flip(amendOrder("o1", { remainingQuantity: 2_147_483_640 }))
      assert.include(refused.message, "total_quantity: would be 2147483660; 2147483647 is the most there can be")
    }).pipe(Effect.provide(service))
  )

  it.effect("does not arise from an amendment to fewer units than the order had slices", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1", { carry_rejected: true })
      yield* amendOrder("o1", { remainingQuantity: 3 })
      yield* at(1)
      yield* move(yield* claimDue(1), () => ({ _tag: "Failed", code: "broker_refused", reason: "refused" }))
      yield* follow
      assert.deepStrictEqual(yield* progress("o1"), { state: "working", statusReason: null, holdReason: null })
      assert.deepInclude((yield* conservation)[0], { scheduled: 3, unaccounted: 0 })
      assert.deepStrictEqual(yield* causes("o1"), ["SPLIT", "AMENDMENT", "CARRY"])
    }).pipe(Effect.provide(service))
  )
})

describe("new plans for many orders", () => {
  it.effect("reach later orders although many earlier ones are waiting", () =>
    Effect.gen(function* () {
      // Each of the first 120 still has a claimed slice when its completion is due.
      for (let index = 100; index < 120 + 100; index += 1) yield* insertOrder(`a${index}`, { completion: "CROSS" })
      yield* splitOrder("z1", { carry_rejected: true, duration_minutes: 10 })
      yield* splitOrder("z2")
      yield* splitOrder("z3")
      const claimed = yield* claimDue(1000)
      yield* at(61)
      const refused = claimed.find(({ orderId }) => orderId === "z1")
      yield* move(refused === undefined ? [] : [refused], () => ({
        _tag: "Failed",
        code: "broker_refused",
        reason: "refused"
      }))
      const oneMonitor = yield* makeFollowThrough
      yield* oneMonitor
      assert.deepStrictEqual(yield* causes("z1"), ["SPLIT"])
      yield* oneMonitor
      assert.deepStrictEqual(yield* causes("z1"), ["SPLIT", "CARRY"])
    }).pipe(Effect.provide(service))
  )

  it.effect("are not made repeatedly while placements are halted", () =>
    Effect.gen(function* () {
      const { sql, execute } = yield* Db
      const halt = (isHalted: boolean) =>
        execute(
          "test.halt",
          sql`
            INSERT INTO placement_halts (is_halted, reason, requested_by, requested_at)
            VALUES (${isHalted}, 'a reason', 'me', 'epoch')`
        )
      yield* splitOrder("o1", { lateness_policy: "RESPREAD", max_lateness_seconds: 1 })
      yield* halt(true)
      for (const seconds of [10, 20, 30]) {
        yield* at(seconds)
        yield* follow
      }
      assert.deepStrictEqual(yield* causes("o1"), ["SPLIT"])
      yield* halt(false)
      yield* follow
      assert.deepStrictEqual(yield* causes("o1"), ["SPLIT", "LATENESS"])
    }).pipe(Effect.provide(service))
  )

  for (const kind of ["credentials", "limit", "day", "circuit", "clock", "stopping", "halt"] as const) {
    it.effect(`are not made repeatedly while the placement gate is closed: ${kind}`, () =>
      Effect.gen(function* () {
        const gate = yield* PlacementGate
        yield* splitOrder("o1", { lateness_policy: "RESPREAD", max_lateness_seconds: 1 })
        yield* gate.close(kind, "a reason")
        for (const seconds of [10, 20, 30]) {
          yield* at(seconds)
          yield* follow
        }
        assert.deepStrictEqual(yield* causes("o1"), ["SPLIT"])
        yield* gate.open(kind)
        yield* follow
        assert.deepStrictEqual(yield* causes("o1"), ["SPLIT", "LATENESS"])
      }).pipe(Effect.provide(service))
    )
  }

  it.effect("are not made for lateness while the gate is closed, even if a carry is due", () =>
    Effect.gen(function* () {
      const gate = yield* PlacementGate
      yield* splitOrder("o1", { lateness_policy: "RESPREAD", max_lateness_seconds: 1, carry_rejected: true })
      yield* move(yield* claimDue(), () => ({ _tag: "Failed", code: "broker_refused", reason: "refused" }))
      yield* gate.close("circuit", "a reason")
      for (const seconds of [20, 25, 30]) {
        yield* at(seconds)
        yield* follow
      }
      assert.notInclude(yield* causes("o1"), "LATENESS")
      assert.deepInclude((yield* conservation)[0], { scheduled: 100, unaccounted: 0 })
    }).pipe(Effect.provide(service))
  )

  const quoteAt = (seconds: number, { price, dayVolume }: { readonly price: string; readonly dayVolume: number }) =>
    Effect.gen(function* () {
      yield* at(seconds)
      const quote = { instrument: reliance, lastPrice: BigDecimal.fromStringUnsafe(price), dayVolume }
      yield* (yield* QuoteStore).save("test", [quote], yield* DateTime.now)
    })

  for (const [limit, percent, far, near] of [
    ["LIMIT_PRICE_COLLAR_PERCENT", "5", { price: "200", dayVolume: 0 }, { price: "100", dayVolume: 0 }],
    ["LIMIT_VOLUME_SHARE_PERCENT", "10", { price: "100", dayVolume: 0 }, { price: "100", dayVolume: 1_000_000 }]
  ] as const) {
    it.effect(`are not made repeatedly while a market limit does not allow placements: ${limit}`, () =>
      Effect.gen(function* () {
        yield* splitOrder("o1", {
          ...limitOrder,
          lateness_policy: "RESPREAD",
          max_lateness_seconds: 1,
          duration_minutes: 10
        })
        for (const seconds of [0, 60, 120, 180]) {
          yield* quoteAt(seconds, far)
          yield* follow
        }
        assert.deepStrictEqual(yield* causes("o1"), ["SPLIT"])
        yield* quoteAt(240, near)
        yield* follow
        assert.deepStrictEqual(yield* causes("o1"), ["SPLIT", "LATENESS"])
        assert.deepInclude((yield* conservation)[0], { scheduled: 100, unaccounted: 0 })
      }).pipe(
        Effect.provide(
          PlanStore.layer.pipe(
            Layer.provideMerge(
              serviceLayer({ broker: scriptedBroker, environment: { [limit]: percent, LIMIT_VOLUME_MINUTES: "1" } })
            )
          )
        )
      )
    )
  }

  it.effect("are made once by monitors that run at the same time", () =>
    Effect.gen(function* () {
      yield* splitOrder("o1", { lateness_policy: "RESPREAD", max_lateness_seconds: 10 })
      yield* at(41)
      yield* Effect.all([follow, follow, follow], { concurrency: 3 })
      assert.deepStrictEqual(yield* causes("o1"), ["SPLIT", "LATENESS"])
      assert.strictEqual((yield* sliceRows()).filter(({ stage }) => stage === "SCHEDULED").length, 5)
      assert.strictEqual((yield* orderRow("o1")).statusReason, null)
    }).pipe(Effect.provide(service))
  )
})
