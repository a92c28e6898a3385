import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Layer, Logger, Option, Schema } from "effect"
import { Broker } from "../../../src/broker/Broker.ts"
import { PlacementGate } from "../../../src/broker/PlacementGate.ts"
import { explain } from "../../../src/cli/commands/explainCommand.ts"
import { explanationText } from "../../../src/cli/terminal/renderExplanation.ts"
import { orderDetails } from "../../../src/cli/terminal/renderOrders.ts"
import { Db } from "../../../src/db/Db.ts"
import { cancelCheck } from "../../../src/doctor/cancelCheck.ts"
import type { RequestKind } from "../../../src/domain/limits/requestShares.ts"
import {
  BrokerCredentialsInvalid,
  BrokerNotSent,
  BrokerOutcomeUnknown,
  BrokerRefused
} from "../../../src/domain/model/BrokerError.ts"
import { OrderBudget } from "../../../src/stores/account/OrderBudget.ts"
import { DoctorStore } from "../../../src/stores/operations/DoctorStore.ts"
import { NotificationStore } from "../../../src/stores/operations/NotificationStore.ts"
import { OrderCommands } from "../../../src/stores/orders/OrderCommands.ts"
import { PlanStore } from "../../../src/stores/orders/PlanStore.ts"
import { SliceStore } from "../../../src/stores/slices/SliceStore.ts"
import { makeSendCancels } from "../../../src/workers/monitor/sendCancels.ts"
import { makeSplitPending } from "../../../src/workers/OrderSplitter.ts"
import { claimDue, placeDue, splitOrder } from "../../support/replanning.ts"
import { BrokerScript, scriptedBroker } from "../../support/scriptedBroker.ts"
import { asked, insertOrder, serviceLayer, setClock, start } from "../../support/service.ts"

const stores = Layer.mergeAll(NotificationStore.layer, DoctorStore.layer, OrderBudget.layer, PlanStore.layer)
const service = stores.pipe(Layer.provideMerge(serviceLayer({ broker: scriptedBroker })))

/** An order with this many slices that are open at the broker, and cancelled. */
const stuckOrder = (id: string, slices: number) =>
  Effect.gen(function* () {
    const quantities = { total_quantity: slices, num_splits: slices, duration_minutes: 0 }
    yield* insertOrder(id, { ...quantities, created_at: DateTime.toDateUtc(yield* DateTime.now) })
    yield* Effect.flatten(makeSplitPending)
    for (let placed = 0; placed < slices; placed += 10) yield* placeDue
    yield* (yield* OrderCommands).requestCancel(id, asked, yield* DateTime.now)
  })

const openSlices = Effect.flatMap(SliceStore, ({ open }) => Effect.flatMap(DateTime.now, (now) => open(null, 100, now)))

/** One pass of a daemon that has the order list. */
const pass = (sendCancels: Effect.Success<typeof makeSendCancels>, isOrderListRead = true) =>
  Effect.flatMap(openSlices, (open) => sendCancels(open, isOrderListRead))

const tryLater = new BrokerRefused({
  code: "OrderException",
  message: "Order cannot be cancelled as it is being processed. Try later."
})
const strangeAddress = new BrokerCredentialsInvalid({ kind: "address", message: "No IPs configured for this app." })

/** Runs an effect with the warnings and errors that are logged while it runs. */
const logged = <A, E, R>(effect: (lines: ReadonlyArray<string>) => Effect.Effect<A, E, R>) => {
  const lines: Array<string> = []
  const capture = Logger.layer([
    Logger.make(({ logLevel, message }) => {
      if (logLevel === "Warn" || logLevel === "Error") lines.push(`${logLevel} ${String(message)}`)
    })
  ])
  return effect(lines).pipe(Effect.provide(capture))
}

/** What the commands show of the order. */
const shown = (id: string) =>
  Effect.gen(function* () {
    const commands = yield* OrderCommands
    const order = Option.getOrThrow(yield* commands.progress(id))
    const slices = yield* commands.slices(id, yield* DateTime.now)
    const [plan = assert.fail("no plan")] = yield* (yield* PlanStore).plans(id)
    return { show: orderDetails(order, slices).at(-1), explain: explanationText(explain(plan, slices)).at(-1) }
  })

const auditedCancels = Effect.flatMap(Db, ({ sql, query }) =>
  query(
    "test.cancels",
    Schema.Struct({ outcome: Schema.String, count: Schema.Int }),
    sql`SELECT outcome, count(*)::int AS count FROM broker_events WHERE call = 'cancel' GROUP BY outcome ORDER BY outcome`
  )
)

describe("cancels that the broker refuses", () => {
  it.effect("are repeated after pauses that grow, whichever daemon sends them, and are logged once", () =>
    logged((lines) =>
      Effect.gen(function* () {
        const script = yield* BrokerScript
        script.onCancel = () => Effect.fail(tryLater)
        yield* setClock()
        yield* stuckOrder("o1", 1)
        const sentAt: Array<number> = []
        for (let seconds = 0; seconds <= 3600; seconds += 1) {
          const before = script.cancelled.length
          if (seconds % 5 !== 1) continue
          yield* setClock(Duration.seconds(seconds))
          // Each pass is one of a daemon that has just started.
          yield* pass(yield* makeSendCancels)
          if (script.cancelled.length > before) sentAt.push(seconds)
        }
        const pauses = sentAt.slice(1).map((at, index) => at - (sentAt[index] ?? 0))
        assert.deepStrictEqual(pauses.slice(0, 8), [20, 35, 65, 125, 305, 605, 605, 605])
        assert.deepStrictEqual(lines, [
          "Warn Cancel not accepted, and tried again after pauses that grow to ten minutes, for 1 broker order, b1: " +
            `OrderException: ${tryLater.message}`
        ])
      })
    ).pipe(Effect.provide(service))
  )

  it.effect("are told of by the commands, with their number, the broker's words and the next try", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      script.onCancel = () => Effect.fail(tryLater)
      yield* setClock()
      yield* stuckOrder("o1", 3)
      const sendCancels = yield* makeSendCancels
      yield* pass(sendCancels)
      yield* setClock("16 seconds")
      yield* pass(sendCancels)
      const words =
        "Slices 1–3: cancel refused twice: OrderException: Order cannot be cancelled as it is being processed. Try later; " +
        "next try at 1970-01-01T00:00:46.000Z"
      assert.deepStrictEqual(yield* shown("o1"), { show: words, explain: words })
      const doctor = yield* DoctorStore
      assert.deepInclude(cancelCheck(yield* doctor.refusedCancels(yield* DateTime.now)), {
        verdict: "WARNING",
        found: `o1 (3 broker orders, refused 2 times): OrderException: ${tryLater.message}`
      })
    }).pipe(Effect.provide(service))
  )

  it.effect("begin anew when one was accepted, and warn again when the words are others", () =>
    logged((lines) =>
      Effect.gen(function* () {
        const script = yield* BrokerScript
        yield* setClock()
        yield* stuckOrder("o1", 1)
        const sendCancels = yield* makeSendCancels
        const passAt = (seconds: number) => Effect.andThen(setClock(Duration.seconds(seconds)), pass(sendCancels))
        script.onCancel = () => Effect.fail(tryLater)
        for (const seconds of [0, 16, 47]) yield* passAt(seconds)
        script.onCancel = () => Effect.fail(new BrokerOutcomeUnknown({ code: "http_502", message: "Bad gateway" }))
        yield* passAt(110)
        assert.deepStrictEqual(
          lines.map((line) => line.slice(line.indexOf(": "))),
          [`: OrderException: ${tryLater.message}`, ": no clear answer, http_502: Bad gateway"]
        )
        script.onCancel = () => Effect.void
        yield* passAt(240)
        assert.notInclude((yield* shown("o1")).show, "cancel")
        assert.lengthOf(script.cancelled, 5)
        yield* passAt(255)
        assert.lengthOf(script.cancelled, 5)
        yield* passAt(256)
        assert.lengthOf(script.cancelled, 6)
        assert.deepStrictEqual(yield* (yield* DoctorStore).refusedCancels(yield* DateTime.now), [])
      })
    ).pipe(Effect.provide(service))
  )

  it.effect("ask for a person after three refusals, once a day", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      const notifications = yield* NotificationStore
      script.onCancel = () => Effect.fail(tryLater)
      yield* setClock()
      yield* stuckOrder("o1", 12)
      const sendCancels = yield* makeSendCancels
      for (const seconds of [0, 16]) {
        yield* setClock(Duration.seconds(seconds))
        yield* pass(sendCancels)
      }
      assert.strictEqual(yield* notifications.noteCancels(yield* DateTime.now), 0)
      yield* setClock("47 seconds")
      yield* pass(sendCancels)
      assert.strictEqual(yield* notifications.noteCancels(yield* DateTime.now), 1)
      assert.strictEqual(yield* notifications.noteCancels(yield* DateTime.now), 0)
      const { sql } = yield* Db
      assert.deepStrictEqual(yield* sql`SELECT kind, severity, message, reason_code FROM notifications`, [
        {
          kind: "cancel_refused",
          severity: "critical",
          message:
            "Order o1: 12 of its open broker orders should be cancelled. Cancel at the broker b1, b2, b3, b4, b5, b6, b7, b8, " +
            `b9, b10 and 2 more. The service cannot: OrderException: ${tryLater.message}`,
          reason_code: "cancel_refused"
        }
      ])
      assert.strictEqual(
        cancelCheck(yield* (yield* DoctorStore).refusedCancels(yield* DateTime.now)).verdict,
        "PROBLEM"
      )
    }).pipe(Effect.provide(service))
  )

  it.effect("are told of only while a cancel is wanted", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      script.onCancel = () => Effect.fail(tryLater)
      const crossing = { order_type: "LIMIT", limit_price: 100, completion: "CROSS" }
      yield* splitOrder("o1", crossing)
      yield* placeDue
      const sendCancels = yield* makeSendCancels
      for (const seconds of [61, 77, 108]) {
        yield* setClock(Duration.seconds(seconds))
        yield* pass(sendCancels)
      }
      const told = Effect.gen(function* () {
        const now = yield* DateTime.now
        const [plan = assert.fail("no plan")] = yield* (yield* PlanStore).plans("o1")
        return {
          doctor: (yield* (yield* DoctorStore).refusedCancels(now)).length,
          notified: yield* (yield* NotificationStore).noteCancels(now),
          explained: explanationText(explain(plan, yield* (yield* OrderCommands).slices("o1", now))).some((line) =>
            line.includes("cancel refused")
          )
        }
      })
      const commands = yield* OrderCommands
      yield* commands.pause("o1", asked, yield* DateTime.now)
      assert.deepStrictEqual(yield* told, { doctor: 0, notified: 0, explained: false })
      yield* commands.resume("o1", asked, yield* DateTime.now)
      assert.deepStrictEqual(yield* told, { doctor: 1, notified: 1, explained: true })
    }).pipe(Effect.provide(service))
  )

  it.effect("are each sent once while the order list cannot be read", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      script.onCancel = () => Effect.fail(tryLater)
      yield* setClock()
      yield* stuckOrder("o1", 2)
      const sendCancels = yield* makeSendCancels
      yield* pass(sendCancels, false)
      yield* setClock("1 hour")
      yield* pass(sendCancels, false)
      assert.lengthOf(script.cancelled, 2)
    }).pipe(Effect.provide(service))
  )

  it.effect("are sent later if none left while the order list could not be read", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      yield* setClock()
      yield* stuckOrder("o1", 20)
      const retryAt = yield* DateTime.now
      const sendCancels = yield* makeSendCancels
      script.onCancel = () => Effect.fail(new BrokerNotSent({ code: "rate_limit", message: "busy", retryAt }))
      yield* pass(sendCancels, false)
      assert.lengthOf(script.cancelled, 20)
      assert.isNull((yield* (yield* OrderCommands).slices("o1", start))[0]?.cancelSentAt)
      // The stop leaves most of them unsent.
      script.onCancel = () => Effect.fail(strangeAddress)
      yield* pass(sendCancels, false)
      script.cancelled.length = 0
      script.onCancel = () => Effect.void
      for (const seconds of [16, 18]) {
        yield* setClock(Duration.seconds(seconds))
        yield* pass(sendCancels, false)
      }
      assert.lengthOf(script.cancelled, 20)
      assert.lengthOf(new Set(script.cancelled), 20)
    }).pipe(Effect.provide(service))
  )

  it.effect("count an answer only under the claim of its cancel", () =>
    Effect.gen(function* () {
      const slices = yield* SliceStore
      yield* setClock()
      yield* stuckOrder("o1", 1)
      const [slice = assert.fail("not open")] = yield* openSlices
      const claim = (seconds: number) =>
        Effect.map(
          slices.claimCancels({ ids: [slice.id], limit: 1, now: DateTime.add(start, { seconds }), mayRepeat: true }),
          ([claimed]) => claimed?.tries ?? null
        )
      const answer = (seconds: number) => {
        const refusal = { code: "cancel_refused", text: "no" } as const
        return slices.cancelAnswered({ slice, claimedAt: DateTime.add(start, { seconds }), refusal }, [])
      }
      assert.strictEqual(yield* claim(0), 0)
      // The daemon died over it, and another one sends the cancel again.
      assert.isNull(yield* claim(15))
      assert.strictEqual(yield* claim(16), 0)
      yield* answer(0)
      assert.isNull((yield* (yield* OrderCommands).slices("o1", start))[0]?.cancelRefusal)
      yield* answer(16)
      assert.strictEqual(yield* claim(32), 1)
    }).pipe(Effect.provide(service))
  )
})

/** A whole trading day of passes: often at first, then every half minute. */
const dayOfPasses = [
  ...Array.from({ length: 120 }, (_, n) => 10 + n * 5),
  ...Array.from({ length: 730 }, (_, n) => 620 + n * 30)
]

describe("40 stuck slices whose cancels are refused all day", () => {
  /** The broker counts requests as the account's rate limit does. */
  const counting = Layer.effect(
    Broker,
    Effect.gen(function* () {
      const below = yield* Broker
      const budget = yield* OrderBudget
      return Broker.of({
        ...below,
        cancel: (id, isRepeated = false) =>
          Effect.andThen(
            Effect.provideService(request(isRepeated ? "repeated cancel" : "cancel"), OrderBudget, budget),
            below.cancel(id, isRepeated)
          )
      })
    })
  )

  const request = (kind: RequestKind) =>
    Effect.gen(function* () {
      const { reserve } = yield* OrderBudget
      const now = yield* DateTime.now
      const limits = { kind, perSecond: 10, perMinute: 400, perDay: 5000, margin: Duration.millis(250) }
      const reserved = yield* Effect.orDie(reserve("zerodha", limits, now, DateTime.add(now, { minutes: 2 })))
      if (reserved._tag === "Granted") return
      return yield* new BrokerNotSent({ code: "daily_limit", message: "used up", retryAt: now })
    })

  const usedAtFirst = (placements: number) =>
    Effect.flatMap(Db, ({ sql, execute }) =>
      execute(
        "test.used",
        sql`UPDATE order_budgets SET day = '1970-01-01', granted_today = ${placements} WHERE broker = 'zerodha'`
      )
    )

  const used = Effect.map(
    Effect.flatMap(Db, ({ sql, queryOne }) =>
      queryOne(
        "test.requests",
        Schema.Struct({ grantedToday: Schema.Int, cancelsToday: Schema.Int }),
        sql`SELECT granted_today, cancels_today FROM order_budgets WHERE broker = 'zerodha'`
      )
    ),
    ({ cancelsToday }) => cancelsToday
  )

  const refusedAllDay = Effect.gen(function* () {
    const script = yield* BrokerScript
    script.onCancel = () => Effect.fail(tryLater)
    yield* setClock()
    yield* stuckOrder("o1", 40)
    const sendCancels = yield* makeSendCancels
    const open = yield* openSlices
    assert.lengthOf(open, 40)
    for (const seconds of dayOfPasses) {
      yield* setClock(Duration.seconds(seconds))
      yield* sendCancels(open, true)
    }
    return sendCancels
  })

  const counted = Layer.provideMerge(Layer.fresh(counting), service)

  it.effect("use up a third of the day's requests at most, and an urgent placement goes out", () =>
    Effect.gen(function* () {
      yield* refusedAllDay
      const cancels = yield* used
      assert.isAtMost(cancels, 40 * 44)
      assert.isAtLeast(cancels, 40 * 35)
      yield* request("placement")
    }).pipe(Effect.provide(counted))
  )

  it.effect("leave requests for placements and for the cancel of another order on a day full of placements", () =>
    Effect.gen(function* () {
      yield* usedAtFirst(4400)
      const sendCancels = yield* refusedAllDay
      assert.strictEqual(yield* used, 350)
      yield* request("placement")
      const script = yield* BrokerScript
      const before = script.cancelled.length
      yield* stuckOrder("o2", 1)
      const others = (yield* openSlices).filter(({ orderId }) => orderId === "o2")
      yield* sendCancels(others, true)
      assert.lengthOf(script.cancelled, before + 1)
    }).pipe(Effect.provide(counted))
  )
})

describe("cancels that no order would get", () => {
  it.effect("stop for all after a refused address, with one error, a problem in doctor and a notification", () =>
    logged((lines) =>
      Effect.gen(function* () {
        const script = yield* BrokerScript
        script.onCancel = () => Effect.fail(strangeAddress)
        yield* setClock()
        yield* stuckOrder("o1", 40)
        const sendCancels = yield* makeSendCancels
        yield* pass(sendCancels)
        // Those in flight at once.
        assert.isAtMost(script.cancelled.length, 8)
        const first = script.cancelled.length
        yield* setClock("14 seconds")
        yield* pass(sendCancels)
        assert.lengthOf(script.cancelled, first)
        const words = "the broker takes no orders from this address: No IPs configured for this app."
        assert.lengthOf(lines, 1)
        assert.match(
          lines[0] ?? "",
          /^Error Cancel at the broker 40 broker orders, b1, b2, b3, b4, .* and 30 more; the service cannot: /
        )
        assert.include(lines[0], words)
        const check = cancelCheck(yield* (yield* DoctorStore).refusedCancels(yield* DateTime.now))
        assert.deepInclude(check, { verdict: "PROBLEM", found: `o1 (40 broker orders, refused 1 time): ${words}` })
        assert.include(check.todo, "Cancel them at the broker")
        assert.strictEqual(yield* (yield* NotificationStore).noteCancels(yield* DateTime.now), 1)
        // An hour of passes sends one from time to time.
        for (let seconds = 15; seconds <= 3600; seconds += 5) {
          yield* setClock(Duration.seconds(seconds))
          yield* pass(sendCancels)
        }
        assert.isAtMost(script.cancelled.length, first + 12)
        assert.lengthOf(lines, 1)
        // The address is listed: the next one that goes out brings the others.
        script.onCancel = () => Effect.void
        yield* setClock("2 hours")
        yield* pass(sendCancels)
        yield* setClock("121 minutes")
        yield* pass(sendCancels)
        assert.isAtLeast(new Set(script.cancelled).size, 40)
        yield* setClock("140 minutes")
        yield* pass(sendCancels)
        assert.deepStrictEqual(yield* (yield* DoctorStore).refusedCancels(yield* DateTime.now), [])
      })
    ).pipe(Effect.provide(service))
  )

  it.effect("are all sent again as soon as the broker refuses one for itself alone", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      script.onCancel = () => Effect.fail(strangeAddress)
      yield* setClock()
      yield* stuckOrder("o1", 20)
      const sendCancels = yield* makeSendCancels
      yield* pass(sendCancels)
      // The address is listed by now, and each order is refused for a reason of its own.
      script.onCancel = () => Effect.fail(tryLater)
      yield* setClock("16 seconds")
      yield* pass(sendCancels)
      const probed = script.cancelled.length
      yield* setClock("18 seconds")
      yield* pass(sendCancels)
      assert.isAtLeast(script.cancelled.length, probed + 12)
    }).pipe(Effect.provide(service))
  )

  it.effect("go on after one broker order that we may not cancel, and stop after two of them", () =>
    logged((lines) =>
      Effect.gen(function* () {
        const script = yield* BrokerScript
        const notPermitted = new BrokerCredentialsInvalid({ kind: "permission", message: "Not yours." })
        const forbidden = new Set(["b2"])
        script.onCancel = (id) => (forbidden.has(id) ? Effect.fail(notPermitted) : Effect.void)
        yield* setClock()
        yield* stuckOrder("o1", 4)
        const sendCancels = yield* makeSendCancels
        yield* pass(sendCancels)
        assert.sameMembers(script.cancelled, ["b1", "b2", "b3", "b4"])
        const words = "the broker does not permit it: Not yours."
        assert.deepStrictEqual(lines, [
          `Warn Cancel not accepted, and tried again after pauses that grow to ten minutes, for 1 broker order, b2: ${words}`
        ])
        // The same one again is no news.
        yield* setClock("16 seconds")
        yield* pass(sendCancels)
        assert.lengthOf(script.cancelled, 8)
        for (const id of ["b1", "b3", "b4"]) forbidden.add(id)
        yield* setClock("62 seconds")
        yield* pass(sendCancels)
        assert.strictEqual(
          lines.at(-1),
          `Error Cancel at the broker 3 broker orders, b1, b3, b4; the service cannot: ${words}`
        )
        assert.lengthOf(lines, 2)
        const stopped = script.cancelled.length
        yield* setClock("70 seconds")
        yield* pass(sendCancels)
        assert.lengthOf(script.cancelled, stopped)
      })
    ).pipe(Effect.provide(service))
  )

  it.effect("are not sent without credentials, and are as soon as there are some", () =>
    logged((lines) =>
      Effect.gen(function* () {
        const script = yield* BrokerScript
        const gate = yield* PlacementGate
        yield* setClock()
        yield* stuckOrder("o1", 3)
        yield* gate.close("halt", "halted by me: x")
        yield* gate.close("credentials", "the Zerodha access token ended at six")
        const sendCancels = yield* makeSendCancels
        for (let seconds = 0; seconds < 60; seconds += 2) {
          yield* setClock(Duration.seconds(seconds))
          yield* pass(sendCancels)
        }
        assert.deepStrictEqual(script.cancelled, [])
        assert.deepStrictEqual(yield* auditedCancels, [])
        assert.strictEqual(
          (yield* shown("o1")).show,
          "Slices 1–3: cancel not sent: the Zerodha access token ended at six"
        )
        assert.deepStrictEqual(
          lines.filter((line) => line.includes("Cancel")),
          [
            "Error Cancel at the broker 3 broker orders, b1, b2, b3; the service cannot: the Zerodha access token ended at six"
          ]
        )
        yield* gate.open("credentials")
        yield* pass(sendCancels)
        assert.lengthOf(script.cancelled, 3)
        assert.deepStrictEqual(yield* auditedCancels, [{ outcome: "ok", count: 3 }])
      })
    ).pipe(Effect.provide(service))
  )

  it.effect("are neither counted nor audited when their turn did not come", () =>
    Effect.gen(function* () {
      const script = yield* BrokerScript
      yield* setClock()
      yield* stuckOrder("o1", 1)
      const retryAt = yield* DateTime.now
      script.onCancel = () => Effect.fail(new BrokerNotSent({ code: "rate_limit", message: "busy", retryAt }))
      const sendCancels = yield* makeSendCancels
      for (const seconds of [0, 16, 32]) {
        yield* setClock(Duration.seconds(seconds))
        yield* pass(sendCancels)
      }
      assert.lengthOf(script.cancelled, 3)
      assert.deepStrictEqual(yield* auditedCancels, [])
      assert.isEmpty(yield* claimDue())
    }).pipe(Effect.provide(service))
  )
})
