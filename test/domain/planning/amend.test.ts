import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Result } from "effect"
import type { SplittableOrder } from "../../../src/domain/model/Order.ts"
import { planOrder, unknownInstrument } from "../../../src/domain/planning/planOrder.ts"
import { type Amendment, amend } from "../../../src/domain/planning/replan/amend.ts"
import type { RunningOrder, RunningSlice } from "../../../src/domain/planning/replan/RunningOrder.ts"
import { noLimits } from "../../support/generatedOrders.ts"
import { anOrder } from "../../support/orders.ts"

const start = DateTime.makeUnsafe("2026-11-24T09:00:00Z")
const minutes = (count: number) => DateTime.add(start, { minutes: count })
const asked: Amendment = {
  remainingQuantity: null,
  numSlices: null,
  remainingWindow: null,
  limitPrice: null,
  note: "a test"
}

/** An order of 1000 in ten even slices, one every ten minutes, of which the first `sent` are filled. */
const running = (sent: number, changed: Partial<SplittableOrder> = {}): RunningOrder => {
  const order = anOrder({ randomize: false, durationMinutes: 90, ...changed })
  const plan = Result.getOrThrow(planOrder(order, noLimits, unknownInstrument, start))
  const slices = plan.slices.map(({ id, sequenceNumber, quantity, dueMillis }, index): RunningSlice => ({
    id,
    sequenceNumber,
    quantity,
    filledQuantity: index < sent ? quantity : 0,
    carriedQuantity: 0,
    stage: index < sent ? "PROCESSED" : "SCHEDULED",
    scheduledMillis: DateTime.toEpochMillis(start) + dueMillis,
    isLate: false,
    isInDoubt: false,
    brokerIsFinal: index < sent,
    isRejected: false,
    isWaived: false
  }))
  const { input, revision, firstSequence, cause } = plan
  const stored = {
    input,
    revision,
    firstSequence,
    cause,
    startsAt: start,
    endsAt: minutes(90),
    completesAt: null,
    keepsHours: false
  }
  return { order, plan: stored, intended: input, completions: 0, slices, nextSequence: 11, waitsForCalendar: false }
}

const amended = (order: RunningOrder, amendment: Partial<Amendment>, now: DateTime.Utc) => {
  const change = Result.getOrThrow(
    amend(order, { ...asked, ...amendment }, { rules: noLimits, market: unknownInstrument, now })
  )
  assert.isNotNull(change)
  if (change === null) throw new Error("nothing was changed")
  const from = DateTime.toEpochMillis(change.plan.startsAt ?? start) - DateTime.toEpochMillis(start)
  return { ...change, minutes: change.plan.slices.map(({ dueMillis }) => (from + dueMillis) / 60_000) }
}

describe("an amendment", () => {
  it("of the quantity alone keeps the times of the slices that are still to be sent", () => {
    const { plan, minutes: times } = amended(running(3), { remainingQuantity: 350 }, minutes(21))
    assert.deepStrictEqual(times, [30, 40, 50, 60, 70, 80, 90])
    assert.deepStrictEqual(
      plan.slices.map(({ quantity }) => quantity),
      [50, 50, 50, 50, 50, 50, 50]
    )
  })

  it("with a new window begins at least a third of its interval after the last slice that was sent", () => {
    const window = { remainingWindow: Duration.minutes(63) }
    assert.strictEqual(amended(running(3), window, minutes(21)).minutes[0], 23)
    assert.strictEqual(amended(running(3), window, minutes(25)).minutes[0], 25)
  })

  it("of an order that has not begun keeps its start", () => {
    const before = DateTime.subtract(start, { hours: 15 })
    const { minutes: times } = amended(running(0), { remainingQuantity: 500 }, before)
    assert.deepStrictEqual([times[0], times.at(-1)], [0, 90])
  })

  it("of the remaining quantity waives what is unfilled by then; any other amendment keeps it", () => {
    const order = running(3, { carryUnfilled: true })
    const [first] = order.slices
    const missing = {
      ...order,
      slices: order.slices.map((slice) => (slice === first ? { ...slice, filledQuantity: 40 } : slice))
    }
    const remaining = amended(missing, { remainingQuantity: 100, numSlices: 2 }, minutes(21))
    assert.deepStrictEqual([remaining.waived, remaining.totalQuantity], [[first?.id], 400])
    assert.deepStrictEqual(amended(missing, { numSlices: 2 }, minutes(21)).waived, [])
  })
})
