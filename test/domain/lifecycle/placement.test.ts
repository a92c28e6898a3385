import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, Cause, DateTime, Duration, Exit, Option } from "effect"
import {
  afterPlacement,
  backoffAfter,
  closureOf,
  deadlineMillis,
  fireAtMillis,
  laterBackoff,
  isAttempt,
  refusalOfGate,
  refusalToFire,
  wasSent,
  whenEarly
} from "../../../src/domain/lifecycle/placement.ts"
import { reconcile } from "../../../src/domain/lifecycle/reconciliation.ts"
import { builtInCalendar } from "../../../src/domain/market/data/builtInCalendar.ts"
import { calendarEnds } from "../../../src/domain/market/TradingCalendar.ts"
import {
  BrokerCredentialsInvalid,
  BrokerNotSent,
  BrokerOutcomeUnknown,
  BrokerRefused,
  BrokerTryLater
} from "../../../src/domain/model/BrokerError.ts"
import type { BrokerOrder, UnreadableOrder } from "../../../src/domain/model/BrokerOrder.ts"
import { BrokerOrderId, OrderId, SliceId, Tag } from "../../../src/domain/model/Ids.ts"
import { unknownFacts } from "../../../src/domain/model/MarketFacts.ts"
import { Instrument } from "../../../src/domain/model/Order.ts"
import {
  type ClaimedSlice,
  ClaimVersion,
  sliceKeyOf,
  type UnresolvedSlice
} from "../../../src/domain/model/OrderSlice.ts"
import { unlimited } from "../../support/limits.ts"

const maxAttempts = 3
const limits = {
  brokerTimeout: Duration.seconds(10),
  preTrade: unlimited,
  margins: { openMillis: 5000, closeMillis: 15_000 },
  calendar: null,
  marketPause: Duration.seconds(5)
}
const now = DateTime.makeUnsafe(1_000_000)

const claimed: ClaimedSlice = {
  id: SliceId.make("slice"),
  orderId: OrderId.make("order"),
  tag: Tag.make("TAG"),
  key: sliceKeyOf(1, 1),
  sequenceNumber: 1,
  quantity: 10,
  instrument: Instrument.make("NSE:INFY"),
  side: "BUY",
  orderType: "MARKET",
  limitPrice: null,
  productType: "CNC",
  validity: "DAY",
  claimVersion: ClaimVersion.make(1),
  attempts: 0,
  scheduledMillis: 1_000_000,
  notBeforeMillis: 1_000_000,
  notAfterMillis: 2_000_000,
  leaseExpiresMillis: 1_120_000,
  requestId: null,
  traceId: null,
  market: null,
  referencePrice: null,
  ...unknownFacts
}

describe("refusalToFire", () => {
  it("refuses as too early until the millisecond at which the slice is due", () => {
    assert.strictEqual(refusalToFire(claimed, 999_999.999, limits), "too early")
    assert.isNull(refusalToFire(claimed, 1_000_000, limits))
  })

  it("refuses to begin a call that could outlive the lease", () => {
    assert.isNull(refusalToFire(claimed, 1_109_999, limits))
    assert.deepInclude(refusalToFire(claimed, 1_110_000, limits), {
      next: {
        _tag: "Rescheduled",
        code: "claim_too_short",
        reason: "the claim was about to end before the call could",
        notBefore: null
      }
    })
  })

  it("fails a slice that breaks a pre-trade limit set since its split", () => {
    const refused = refusalToFire(claimed, 1_000_000, {
      ...limits,
      preTrade: { ...unlimited, sliceQuantity: Option.some(9) },
      calendar: null
    })
    assert.deepStrictEqual(refused, {
      next: {
        _tag: "Failed",
        code: "pre_trade_limit",
        reason: "pre-trade limit: the slice's quantity of 10 is above LIMIT_SLICE_QUANTITY (9)"
      }
    })
  })

  it("values a MARKET slice by a fresh price or by that at its split, and fails one without either", () => {
    const decimal = BigDecimal.fromStringUnsafe
    const preTrade = { ...unlimited, sliceValue: Option.some(decimal("1000")) }
    const reasonFor = (known: Partial<ClaimedSlice>) => {
      const refused = refusalToFire({ ...claimed, ...known }, 1_060_000, { ...limits, preTrade })
      return refused === null || refused === "too early" || !("reason" in refused.next) ? null : refused.next.reason
    }
    const fresh = { lastPrice: decimal("100"), lastPriceMillis: 1_000_000 }
    const dear = decimal("100.05")
    assert.isNull(reasonFor({ ...fresh, referencePrice: dear }))
    assert.match(
      reasonFor({ ...fresh, lastPrice: dear, referencePrice: decimal("1") }) ?? "",
      /value of 1000.5 is above LIMIT_SLICE_VALUE \(1000\)/
    )
    assert.match(reasonFor({ ...fresh, lastPriceMillis: 999_999, referencePrice: dear }) ?? "", /value of 1000.5 is/)
    assert.isNull(reasonFor({ referencePrice: decimal("100") }))
    assert.match(reasonFor({}) ?? "", /no price of its instrument is known to value the slice by/)
    // A LIMIT slice is valued by its limit price, whatever the last price is.
    assert.isNull(reasonFor({ orderType: "LIMIT", limitPrice: decimal("100"), referencePrice: dear }))
  })

  it("delays a slice that a market limit does not allow, until its window is over", () => {
    const strict = {
      ...limits,
      preTrade: { ...unlimited, collarPercent: Option.some(BigDecimal.fromBigInt(10n)) }
    }
    const known = {
      ...claimed,
      leaseExpiresMillis: 9_000_000,
      limitPrice: BigDecimal.fromStringUnsafe("90"),
      lastPrice: BigDecimal.fromStringUnsafe("101"),
      lastPriceMillis: 1_990_000
    }
    assert.isNull(refusalToFire({ ...known, limitPrice: BigDecimal.fromStringUnsafe("91") }, 2_000_000, strict))
    assert.deepStrictEqual(refusalToFire(known, 1_999_999.5, strict), {
      next: {
        _tag: "Rescheduled",
        code: "market_limit",
        reason:
          "pre-trade limit, for now: the limit price of 90 is more than LIMIT_PRICE_COLLAR_PERCENT (10) " +
          "away from the last price of 101",
        notBefore: DateTime.makeUnsafe(2_005_000)
      },
      isWaiting: true
    })
    const over = refusalToFire(known, 2_000_001, strict)
    assert.isTrue(over !== null && over !== "too early" && over.next._tag === "Skipped")
  })

  it("skips a slice whose order's window and grace are over", () => {
    const late = refusalToFire({ ...claimed, leaseExpiresMillis: 9_000_000 }, 2_000_001, limits)
    assert.isTrue(late !== null && late !== "too early" && late.next._tag === "Skipped")
    assert.isNull(refusalToFire({ ...claimed, leaseExpiresMillis: 9_000_000 }, 2_000_000, limits))
  })

  it("delays a slice while its market is closed, to the next open if that is within its window", () => {
    const at = (text: string) => DateTime.toEpochMillis(DateTime.makeUnsafe(text))
    const open = { ...limits, calendar: builtInCalendar }
    const slice = (market: string | null, notAfter: string): ClaimedSlice => ({
      ...claimed,
      market,
      notBeforeMillis: at("2026-11-20T09:00:00+05:30"),
      notAfterMillis: at(notAfter),
      leaseExpiresMillis: at("2026-12-31T00:00:00+05:30")
    })
    const share = slice("EQUITY", "2026-11-23T10:00:00+05:30")
    // Friday; the next session is Monday's.
    assert.isNull(refusalToFire(share, at("2026-11-20T09:15:00+05:30"), open))
    assert.isNull(refusalToFire(share, at("2026-11-20T15:29:59.999+05:30"), open))
    assert.deepStrictEqual(refusalToFire(share, at("2026-11-20T15:30:00+05:30"), open), {
      next: {
        _tag: "Rescheduled",
        code: "market_closed",
        reason: "the market is closed: outside 09:15–15:30 IST",
        notBefore: DateTime.makeUnsafe("2026-11-23T03:45:05Z")
      }
    })
    const today = slice("EQUITY", "2026-11-20T15:40:00+05:30")
    assert.deepStrictEqual(refusalToFire(today, at("2026-11-20T15:30:00+05:30"), open), {
      next: {
        _tag: "Skipped",
        code: "market_closed",
        reason: "the market is closed until after the order's window: outside 09:15–15:30 IST"
      }
    })
    // A slice planned without a calendar is held to the shorter hours.
    assert.isNotNull(refusalToFire(slice(null, "2026-11-23T10:00:00+05:30"), at("2026-11-20T15:15:00+05:30"), open))
    assert.isNull(refusalToFire(slice(null, "2026-11-23T10:00:00+05:30"), at("2026-11-20T15:15:00+05:30"), limits))
  })

  it("does not give up a slice on a day that this daemon's calendar does not know", () => {
    const open = { ...limits, calendar: builtInCalendar }
    const fire = (now: string, notAfter: string) => {
      const millis = (text: string) => DateTime.toEpochMillis(DateTime.makeUnsafe(text))
      const times = {
        notBeforeMillis: 0,
        notAfterMillis: millis(notAfter),
        leaseExpiresMillis: millis("2027-02-01T00:00:00Z")
      }
      const refusal = refusalToFire({ ...claimed, market: "EQUITY", ...times }, millis(now), open)
      return refusal === null || refusal === "too early" ? refusal : refusal.next
    }
    assert.deepStrictEqual(fire("2027-01-04T10:00:00+05:30", "2027-01-04T11:00:00+05:30"), {
      _tag: "Rescheduled",
      code: "calendar_ends",
      reason: calendarEnds(builtInCalendar, "EQUITY").message,
      notBefore: DateTime.makeUnsafe("2027-01-04T10:01:00+05:30")
    })
    const onLastDay = fire("2026-12-31T15:40:00+05:30", "2027-01-01T10:00:00+05:30")
    assert.strictEqual(onLastDay === null || onLastDay === "too early" ? null : onLastDay._tag, "Rescheduled")
    const overThatDay = fire("2026-12-31T15:40:00+05:30", "2026-12-31T15:50:00+05:30")
    assert.strictEqual(overThatDay === null || overThatDay === "too early" ? null : overThatDay._tag, "Skipped")
  })

  it("sets the deadline of a request by the window, the claim and the market's session", () => {
    const close = DateTime.toEpochMillis(DateTime.makeUnsafe("2026-11-20T15:30:00+05:30"))
    const slice = { ...claimed, market: "EQUITY", notAfterMillis: close + 600_000, leaseExpiresMillis: close + 60_000 }
    const open = { ...limits, calendar: builtInCalendar }
    assert.strictEqual(deadlineMillis(slice, close - 1000, open), close - 1)
    assert.strictEqual(deadlineMillis(slice, close - 1000, limits), close + 50_000)
    assert.strictEqual(deadlineMillis({ ...slice, notAfterMillis: close - 500 }, close - 1000, open), close - 500)
  })
})

describe("afterPlacement", () => {
  const after = (answer: Parameters<typeof afterPlacement>[0]) => afterPlacement(answer, now)
  const later = new BrokerTryLater({ code: "rate", message: "slow down", retryAt: DateTime.makeUnsafe(1_005_000) })

  it("makes an acknowledged slice PROCESSED with the broker's id", () => {
    const next = after(Exit.succeed({ brokerOrderId: BrokerOrderId.make("b1") }))
    assert.deepStrictEqual(next, { _tag: "Processed", brokerOrderId: BrokerOrderId.make("b1"), found: null })
  })

  it("makes a refused slice FAILED with code and message", () => {
    const next = after(Exit.fail(new BrokerRefused({ code: "Margin", message: "no funds" })))
    assert.deepStrictEqual(next, { _tag: "Failed", code: "broker_refused", reason: "Margin: no funds" })
  })

  it("schedules a certainly unplaced slice again at the broker's time, without counting an attempt", () => {
    assert.isFalse(isAttempt(Exit.fail(later)))
    assert.deepStrictEqual(after(Exit.fail(later)), {
      _tag: "Rescheduled",
      code: "broker_try_later",
      reason: "rate: slow down",
      notBefore: DateTime.makeUnsafe(1_005_000)
    })
  })

  it("never schedules a retry in the past", () => {
    const past = new BrokerTryLater({ code: "rate", message: "", retryAt: DateTime.makeUnsafe(5) })
    const next = after(Exit.fail(past))
    assert.isTrue(next._tag === "Rescheduled" && next.notBefore !== null && DateTime.Equivalence(next.notBefore, now))
  })

  it("schedules a slice again when credentials are invalid, without counting an attempt", () => {
    const answer = Exit.fail(new BrokerCredentialsInvalid({ kind: "token", message: "expired" }))
    assert.strictEqual(after(answer)._tag, "Rescheduled")
    assert.isFalse(isAttempt(answer))
  })

  it("leaves an unknown outcome, an interruption or a bug to reconciliation, without a retry", () => {
    assert.strictEqual(after(Exit.fail(new BrokerOutcomeUnknown({ code: "timeout", message: "" })))._tag, "Unknown")
    assert.strictEqual(after(Exit.interrupt(1))._tag, "Unknown")
    assert.strictEqual(after(Exit.die(new Error("bug")))._tag, "Unknown")
    assert.isTrue(isAttempt(Exit.interrupt(1)))
    const both = Cause.fromReasons([Cause.makeFailReason(later), Cause.makeInterruptReason(1)])
    assert.strictEqual(after(Exit.failCause(both))._tag, "Unknown")
  })
})

describe("reconcile", () => {
  const slice: UnresolvedSlice = {
    key: sliceKeyOf(1, 1),
    id: SliceId.make("slice"),
    orderId: OrderId.make("order"),
    tag: Tag.make("TAG"),
    claimVersion: ClaimVersion.make(1),
    attempts: 1,
    notAfterMillis: 2_000_000,
    firstSentMillis: 990_000,
    lastSentMillis: 1_000_000,
    readMillis: 9_000_000,
    requestId: null,
    traceId: null
  }
  const brokerOrder = (id: string): BrokerOrder => ({
    brokerOrderId: BrokerOrderId.make(id),
    tag: slice.tag,
    status: "OPEN",
    statusText: "OPEN",
    quantity: null,
    filledQuantity: 0,
    averagePrice: null
  })
  const quarantine = Duration.seconds(120)
  const ask = (
    found: ReadonlyArray<BrokerOrder>,
    askedMillis: number,
    changed: Partial<UnresolvedSlice> = {},
    unreadable: ReadonlyArray<UnreadableOrder> = []
  ) =>
    reconcile(
      { ...slice, ...changed },
      { found, unreadable, askedMillis, orderListSinceMillis: 500_000 },
      { quarantine, maxAttempts }
    )

  it("makes a slice that is found PROCESSED with that broker order, at any time", () => {
    for (const askedMillis of [1_000_001, 9_000_000]) {
      const result = ask([brokerOrder("b1")], askedMillis, { attempts: 99 })
      assert.isTrue(result._tag === "Resolved" && result.next._tag === "Processed")
    }
  })

  it("waits for the whole quarantine, counted to the beginning of the look-up, when nothing is found", () => {
    assert.deepStrictEqual(ask([], 1_119_999), { _tag: "Wait" })
    const result = ask([], 1_120_000)
    assert.isTrue(result._tag === "Resolved" && result.next._tag === "Rescheduled")
  })

  it("ends the quarantine by the database's clock, which this process may not know to have been set back", () => {
    assert.deepStrictEqual(ask([], 1_200_000, { readMillis: 1_119_999 }), { _tag: "Wait" })
    const result = ask([], 1_200_000, { readMillis: 1_120_000 })
    assert.isTrue(result._tag === "Resolved" && result.next._tag === "Rescheduled")
  })

  it("puts a slice that was not placed behind those that became due meanwhile", () => {
    const result = ask([], 1_120_000)
    assert.deepInclude(result, {
      next: {
        _tag: "Rescheduled",
        code: "not_placed",
        reason: "the broker has no order for it: not placed",
        notBefore: DateTime.makeUnsafe(1_120_000)
      }
    })
  })

  it("does not place a slice again that is not found and too late, or out of attempts", () => {
    const late = ask([], 2_000_001)
    assert.isTrue(late._tag === "Resolved" && late.next._tag === "Skipped")
    const spent = ask([], 1_120_000, { attempts: 3 })
    assert.isTrue(spent._tag === "Resolved" && spent.next._tag === "Failed")
  })

  it("leaves a slice to a person when the order list began after the request may have left", () => {
    const old = { firstSentMillis: 499_999, attempts: 99 }
    assert.strictEqual(ask([], 1_120_000, old)._tag, "Unprovable")
    assert.strictEqual(ask([], 9_000_000, old)._tag, "Unprovable")
    assert.strictEqual(ask([brokerOrder("b1")], 1_120_000, old)._tag, "Resolved")
  })

  it("waits for as long as a row that may be its order cannot be read", () => {
    const odd = { tag: slice.tag, brokerOrderId: null, isCertain: false, problem: "its tag is not in tag or tags" }
    for (const changed of [{}, { attempts: 99 }, { firstSentMillis: 499_999 }]) {
      assert.deepStrictEqual(ask([], 9_000_000, changed, [odd]), { _tag: "Wait" })
    }
    assert.strictEqual(ask([brokerOrder("b1")], 9_000_000, {}, [odd])._tag, "Resolved")
  })

  it("takes the earlier of two broker orders with one tag", () => {
    for (const found of [
      [brokerOrder("999"), brokerOrder("1000")],
      [brokerOrder("1000"), brokerOrder("999")]
    ]) {
      const result = ask(found, 9_000_000)
      assert.isTrue(
        result._tag === "Resolved" && result.next._tag === "Processed" && result.next.brokerOrderId === "999"
      )
    }
  })
})

describe("the reason why a slice waits", () => {
  it("is the operator's halt when the gate has several closures", () => {
    assert.isNull(closureOf(new Map()))
    const reasons = new Map([
      ["circuit", "no clear answers"],
      ["halt", "halted by ann"]
    ] as const)
    assert.deepStrictEqual(closureOf(reasons), { kind: "halt", reason: "halted by ann" })
  })

  it("is a closed gate rather than a withdrawn order", () => {
    assert.isNull(refusalOfGate(null, false))
    assert.strictEqual(refusalOfGate(null, true)?.code, "order_stopped")
    assert.deepStrictEqual(refusalOfGate({ kind: "day", reason: "the day is over" }, true), {
      code: "gate_closed",
      text: "placements are on hold: the day is over"
    })
  })

  it("is the due time or the back-off, whichever is later", () => {
    assert.strictEqual(fireAtMillis(claimed, 0, 999_000), 1_000_000)
    assert.strictEqual(fireAtMillis(claimed, 999_999, 999_000), 1_000_000)
    assert.strictEqual(fireAtMillis(claimed, 1_000_500, 999_000), 1_000_500)
  })

  it("is the due time where the clock was set back behind a back-off", () => {
    assert.strictEqual(fireAtMillis(claimed, 4_600_500, 999_000), 1_000_000)
    assert.strictEqual(laterBackoff(4_600_500, 0, 999_000), 0)
    assert.strictEqual(laterBackoff(4_600_500, 1_000_500, 999_000), 1_000_500)
  })

  it("is never more than two minutes later because of a back-off", () => {
    assert.strictEqual(laterBackoff(1_000_000, 1_000_500, 999_000), 1_000_500)
    assert.strictEqual(laterBackoff(1_000_500, 1_000_000, 999_000), 1_000_500)
    assert.strictEqual(laterBackoff(0, 9_000_000, 999_000), 1_119_000)
  })

  it("is an early due time for up to a second; beyond that the clock was set back, and it is given back", () => {
    assert.strictEqual(whenEarly(claimed, 999_000), 1000)
    assert.deepInclude(whenEarly(claimed, 998_999), {
      next: {
        _tag: "Rescheduled",
        code: "clock_unsure",
        reason: "given back: the database's clock was set back, and it is not due yet",
        notBefore: null
      }
    })
  })

  it("is a back-off only after an answer that names a retry time", () => {
    const later = Exit.fail(
      new BrokerTryLater({ code: "429", message: "", retryAt: DateTime.add(now, { seconds: 1 }) })
    )
    assert.strictEqual(backoffAfter(later, afterPlacement(later, now)), 1_001_000)
    const refused = Exit.fail(new BrokerRefused({ code: "x", message: "" }))
    assert.strictEqual(backoffAfter(refused, afterPlacement(refused, now)), 0)
  })
})

describe("wasSent", () => {
  it("is false only for a request that certainly did not leave", () => {
    assert.isFalse(wasSent(Exit.fail(new BrokerNotSent({ code: "gate_closed", message: "", retryAt: now }))))
    assert.isTrue(wasSent(Exit.fail(new BrokerOutcomeUnknown({ code: "x", message: "" }))))
    assert.isTrue(wasSent(Exit.die("bug")))
    assert.isTrue(wasSent(Exit.succeed({ brokerOrderId: BrokerOrderId.make("1") })))
  })
})
