import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Option, Result } from "effect"
import { announced } from "../../../src/domain/market/data/announced.ts"
import { builtInCalendar } from "../../../src/domain/market/data/builtInCalendar.ts"
import { calendarOf, type TradingCalendar } from "../../../src/domain/market/TradingCalendar.ts"
import type { SplittableOrder } from "../../../src/domain/model/Order.ts"
import { type InstrumentFacts, planOrder, unknownInstrument } from "../../../src/domain/planning/planOrder.ts"
import { amend } from "../../../src/domain/planning/replan/amend.ts"
import { planFollowThrough } from "../../../src/domain/planning/replan/planFollowThrough.ts"
import type { RunningOrder, RunningSlice } from "../../../src/domain/planning/replan/RunningOrder.ts"
import { noLimits } from "../../support/generatedOrders.ts"
import { anOrder } from "../../support/orders.ts"

const withJanuary = calendarOf([announced, { until: { EQUITY_WITH_DERIVATIVES: "2027-01-31" }, days: [] }])
const at = (indian: string) => DateTime.makeUnsafe(`${indian}+05:30`)
const rulesOf = (calendar: TradingCalendar) => ({ ...noLimits, calendar })

/** An order of 1000 in ten slices that was planned with the later calendar, of which the first `sent` are filled. */
const running = (start: DateTime.Utc, sent: number, changed: Partial<SplittableOrder> = {}): RunningOrder => {
  const order = anOrder({ randomize: false, durationMinutes: 60, sessionPolicy: "NEXT_SESSION", ...changed })
  const plan = Result.getOrThrow(planOrder(order, rulesOf(withJanuary), unknownInstrument, start))
  const startsAt = plan.startsAt ?? start
  const after = (millis: number) => DateTime.addDuration(startsAt, Duration.millis(millis))
  const slices = plan.slices.map(({ id, sequenceNumber, quantity, dueMillis }, index): RunningSlice => ({
    id,
    sequenceNumber,
    quantity,
    filledQuantity: index < sent ? quantity : 0,
    carriedQuantity: 0,
    stage: index < sent ? "PROCESSED" : "SCHEDULED",
    scheduledMillis: DateTime.toEpochMillis(after(dueMillis)),
    isLate: false,
    isInDoubt: false,
    brokerIsFinal: index < sent,
    isRejected: false,
    isWaived: false
  }))
  const { input, revision, firstSequence, cause, endMillis, completeMillis } = plan
  const stored = { input, revision, firstSequence, cause, startsAt, endsAt: after(endMillis), keepsHours: true }
  const completesAt = completeMillis === null ? null : after(completeMillis)
  return {
    order,
    plan: { ...stored, completesAt },
    intended: input,
    completions: 0,
    slices,
    nextSequence: slices.length + 1,
    waitsForCalendar: false
  }
}

const change = (order: RunningOrder, calendar: TradingCalendar, now: DateTime.Utc) =>
  Result.getOrThrow(planFollowThrough(order, { rules: rulesOf(calendar), market: unknownInstrument, now }))

const january = { start: at("2027-01-04T10:00:00"), now: at("2027-01-04T10:30:00") }

describe("a plan beyond the end of the calendar", () => {
  it("fails because of that only if nothing else is wrong with the order", () => {
    const planned = (calendar: TradingCalendar, market: InstrumentFacts) =>
      Result.map(planOrder(anOrder(), rulesOf(calendar), market, january.start), () => "a plan")
    const unlisted = { ...unknownInstrument, listing: { _tag: "Unlisted" as const, similar: [] } }
    assert.isTrue(Result.isSuccess(planned(withJanuary, unknownInstrument)))
    const codeOf = (market: InstrumentFacts) =>
      Option.map(Result.getFailure(planned(builtInCalendar, market)), ({ code }) => code)
    assert.deepStrictEqual(codeOf(unknownInstrument), Option.some("calendar_ends"))
    assert.deepStrictEqual(codeOf(unlisted), Option.some("instrument_unknown"))
  })

  it("is waited for when an order is to be completed in the next session, and made when that is known", () => {
    const order = running(at("2026-12-31T14:15:00"), 10, { completion: "CROSS" })
    const unfilled = { ...order, slices: order.slices.map((slice) => ({ ...slice, filledQuantity: 50 })) }
    const now = at("2026-12-31T15:15:30")
    const waits = change(unfilled, builtInCalendar, now)
    assert.strictEqual(waits?._tag, "Waits")
    assert.include(waits?._tag === "Waits" ? waits.reason.text : "", "known until 2026-12-31")
    // Nobody is told of it twice.
    assert.isNull(change({ ...unfilled, waitsForCalendar: true }, builtInCalendar, now))
    const made = change({ ...unfilled, waitsForCalendar: true }, withJanuary, now)
    const startsAt = made?._tag === "Replan" ? made.plan.startsAt : null
    assert.deepStrictEqual(startsAt, at("2027-01-01T09:15:00"))
  })

  it("gives up no late slice that a calendar with more days had planned", () => {
    const order = running(january.start, 0)
    const late = { ...order, slices: order.slices.map((slice, index) => ({ ...slice, isLate: index < 3 })) }
    assert.strictEqual(change(late, withJanuary, january.now)?._tag, "Replan")
    assert.strictEqual(change(late, builtInCalendar, january.now)?._tag, "Waits")
  })

  it("is refused as an amendment, with the day until which the calendar is known", () => {
    const asked = { remainingQuantity: null, numSlices: null, limitPrice: null, note: "a test" }
    const amended = (order: RunningOrder, remainingWindow: Duration.Duration | null, now: DateTime.Utc) =>
      amend(
        order,
        { ...asked, remainingQuantity: 10, remainingWindow },
        { rules: rulesOf(builtInCalendar), market: unknownInstrument, now }
      )
    const beyond = amended(running(january.start, 0), null, january.now)
    assert.include(Option.getOrThrow(Result.getFailure(beyond)), "known until 2026-12-31")
    const longer = amended(running(at("2026-12-31T13:00:00"), 1), Duration.hours(5), at("2026-12-31T13:10:00"))
    assert.include(Option.getOrThrow(Result.getFailure(longer)), "known until 2026-12-31")
  })
})
