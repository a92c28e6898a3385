import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Broker } from "../../../src/broker/Broker.ts"
import { PlacementGate } from "../../../src/broker/PlacementGate.ts"
import { type FaultKind, KiteSimulator, type ScriptStep } from "../../../src/kite-simulator/KiteSimulator.ts"
import { brokerConformance, findOrders, placementOf, tags } from "../BrokerConformance.ts"
import { failureOf } from "../mock/exchange.ts"
import { zerodhaOverSimulator } from "./zerodhaOverSimulator.ts"

let script: KiteSimulator["Service"]["script"] = () => Effect.void

const remembered = Layer.effectDiscard(
  Effect.map(KiteSimulator, (simulator) => {
    script = simulator.script
  })
).pipe(Layer.provideMerge(zerodhaOverSimulator()))

brokerConformance("Zerodha over the Kite simulator", Layer.fresh(remembered), {
  // The test's clock begins half an hour before the daily end of access tokens.
  retention: Duration.minutes(20),
  partially: (place) =>
    Effect.andThen(
      Effect.suspend(() => script([{ kind: "partial_fill" }])),
      place
    )
})

describe("Zerodha with faults of the Kite simulator", () => {
  const layer = () => Layer.fresh(zerodhaOverSimulator())
  const meet = (step: ScriptStep) => Effect.flatMap(KiteSimulator, (simulator) => simulator.script([step]))
  const ordersOf = (tag: string) =>
    Effect.map(
      Effect.flatMap(KiteSimulator, ({ ledger }) => ledger),
      ({ orders }) => orders.filter((order) => order.tag === tag).length
    )

  const unknown: ReadonlyArray<FaultKind> = [
    "drop_before",
    "drop_after",
    "server_error_500",
    "bad_gateway_502",
    "unavailable_503",
    "gateway_timeout_504",
    "timed_out_400",
    "html",
    "truncated",
    "no_order_id",
    "redirect"
  ]
  for (const kind of unknown) {
    it.effect(`${kind}: leaves the outcome unknown after one request, and finds a taken order by its tag`, () =>
      Effect.gen(function* () {
        const broker = yield* Broker
        for (const [tag, taken] of [
          ["TAKEN", true],
          ["LOST", false]
        ] as const) {
          yield* meet({ kind, taken, delayMillis: 8000 })
          assert.strictEqual((yield* failureOf(broker.place(placementOf(tag))))?._tag, "BrokerOutcomeUnknown")
        }
        yield* TestClock.adjust("10 seconds")
        for (const tag of ["TAKEN", "LOST"]) {
          const inLedger = yield* ordersOf(tag)
          assert.isAtMost(inLedger, 1)
          assert.lengthOf(yield* findOrders(broker, tag), inLedger)
        }
      }).pipe(Effect.provide(layer()))
    )
  }

  it.effect("does not find a late order before it appears in the order list", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      yield* meet({ kind: "timed_out_400", delayMillis: 8000 })
      yield* failureOf(broker.place(placementOf("LATE")))
      yield* TestClock.adjust("7999 millis")
      assert.deepStrictEqual(yield* findOrders(broker, "LATE"), [])
      yield* TestClock.adjust("1 millis")
      assert.lengthOf(yield* findOrders(broker, "LATE"), 1)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("reports 429 and a refusal for lack of margin as certainly not placed", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      yield* meet({ kind: "rate_limited" })
      assert.deepInclude(yield* failureOf(broker.place(placementOf("FAST"))), {
        _tag: "BrokerTryLater",
        retryAt: DateTime.makeUnsafe(1000)
      })
      yield* meet({ kind: "rate_limited_html" })
      assert.deepInclude(yield* failureOf(broker.place(placementOf("FAST"))), { _tag: "BrokerTryLater", code: "429" })
      for (let n = 0; n < 4; n++) {
        yield* meet({ kind: "daily_cap" })
        assert.deepInclude(yield* failureOf(broker.place(placementOf("FAST"))), {
          _tag: "BrokerTryLater",
          code: "daily_limit",
          retryAt: DateTime.makeUnsafe(300_000)
        })
      }
      for (const [kind, code] of [
        ["refused_margin", "MarginException"],
        ["refused_holding_428", "HoldingException"],
        ["refused_permission_403", "PermissionException"]
      ] as const) {
        yield* meet({ kind })
        assert.deepInclude(yield* failureOf(broker.place(placementOf("POOR"))), { _tag: "BrokerRefused", code })
      }
      assert.deepStrictEqual([yield* ordersOf("FAST"), yield* ordersOf("POOR")], [0, 0])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("shows a late rejection, a stuck order and an unknown status as they are", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      const state = (tag: string) => Effect.map(findOrders(broker, tag), ([order]) => order)
      yield* meet({ kind: "rejected_late" })
      yield* broker.place(placementOf("REJECTED"))
      yield* meet({ kind: "stuck_pending", delayMillis: 90_000 })
      yield* broker.place(placementOf("STUCK"))
      yield* meet({ kind: "unknown_status", delayMillis: 30_000 })
      yield* broker.place(placementOf("STRANGE"))
      yield* TestClock.adjust("20 seconds")
      const rejected = yield* state("REJECTED")
      assert.strictEqual(rejected?.status, "REJECTED")
      assert.match(rejected?.statusText ?? "", /^REJECTED: RMS:Rule/)
      assert.deepInclude(yield* state("STUCK"), { status: "PENDING", statusText: "PUT ORDER REQ RECEIVED" })
      assert.deepInclude(yield* state("STRANGE"), { status: "UNRECOGNISED", statusText: "TRANSIT PENDING" })
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual((yield* state("STUCK"))?.status, "COMPLETE")
      assert.strictEqual((yield* state("STRANGE"))?.status, "COMPLETE")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("lists the orders of the day in India, and says since when", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.parse("1970-01-01T18:00:00Z"))
      yield* Effect.gen(function* () {
        const broker = yield* Broker
        yield* broker.place(placementOf("YESTERDAY"))
        const placedAt = yield* DateTime.now
        yield* TestClock.adjust("28 minutes")
        assert.lengthOf(yield* findOrders(broker, "YESTERDAY"), 1)
        assert.isTrue(DateTime.isLessThan(broker.orderListSince(yield* DateTime.now), placedAt))
        yield* TestClock.adjust("3 minutes")
        assert.lengthOf(yield* findOrders(broker, "YESTERDAY"), 0)
        assert.isTrue(DateTime.isGreaterThan(broker.orderListSince(yield* DateTime.now), placedAt))
      }).pipe(Effect.provide(layer()))
    })
  )

  it.effect("never takes a failed look-up for an empty order list", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      yield* broker.place(placementOf("HERE"))
      for (const kind of ["book_503", "book_truncated", "book_html"] as const) {
        yield* meet({ kind })
        assert.strictEqual((yield* failureOf(findOrders(broker, "HERE")))?._tag, "BrokerTryLater", kind)
      }
      assert.lengthOf(yield* findOrders(broker, "HERE"), 1)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("finds every other order when a row of the list is odd, and reports the odd row or ignores it", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      const names = ["ODDA", "ODDB", "ODDC"]
      for (const name of names) yield* broker.place(placementOf(name))
      yield* TestClock.adjust("5 seconds")
      const ids = new Map((yield* findOrders(broker, ...names)).map(({ tag, brokerOrderId }) => [tag, brokerOrderId]))
      let reports = 0
      for (let look = 0; look < 60; look++) {
        yield* meet({ kind: "book_odd_row" })
        const { orders, unreadable } = yield* broker.findByTag(tags(...names))
        assert.isAtLeast(orders.length, 2)
        for (const order of orders) {
          assert.deepStrictEqual([order.status, order.brokerOrderId], ["COMPLETE", ids.get(order.tag)])
        }
        const named = [...orders, ...unreadable].map(({ tag }) => tag)
        assert.sameMembers([...new Set(named)], [...tags(...names)])
        reports += unreadable.length
        yield* TestClock.adjust("1 second")
      }
      assert.isAbove(reports, 20)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("reads the order list although orders from this address are refused", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      const simulator = yield* KiteSimulator
      yield* simulator.allowAddress(false)
      assert.deepInclude(yield* failureOf(broker.place(placementOf("AWAY"))), {
        _tag: "BrokerCredentialsInvalid",
        kind: "address"
      })
      assert.deepStrictEqual(yield* findOrders(broker, "AWAY"), [])
      yield* simulator.allowAddress(true)
      yield* broker.place(placementOf("AWAY"))
    }).pipe(Effect.provide(layer()))
  )

  it.effect("closes the placement gate when the token is refused", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      const gate = yield* PlacementGate
      const simulator = yield* KiteSimulator
      yield* simulator.expireTokens
      assert.deepInclude(yield* failureOf(broker.place(placementOf("A"))), {
        _tag: "BrokerCredentialsInvalid",
        kind: "token"
      })
      assert.strictEqual((yield* gate.current)?.kind, "credentials")
      const before = (yield* simulator.ledger).requests.length
      yield* failureOf(broker.place(placementOf("B")))
      assert.strictEqual((yield* simulator.ledger).requests.length, before)
    }).pipe(Effect.provide(layer()))
  )

  it.live("signals changes from the order feed, and reconnects when it breaks", () =>
    Effect.gen(function* () {
      const broker = yield* Broker
      const simulator = yield* KiteSimulator
      // A new connection signals once, because earlier changes were missed.
      yield* broker.changed
      yield* broker.place(placementOf("FEED"))
      yield* broker.changed
      yield* simulator.script([{ kind: "feed_dropped" }])
      yield* broker.place(placementOf("FEED2"))
      yield* broker.changed
    }).pipe(Effect.provide(zerodhaOverSimulator({ fillDelay: Duration.millis(100) }, { ZERODHA_ORDER_FEED: "on" })))
  )
})
