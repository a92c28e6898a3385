import { assert, describe, it } from "@effect/vitest"
import { BigDecimal, DateTime, Duration, Result } from "effect"
import { unknownFacts } from "../../../src/domain/model/MarketFacts.ts"
import { type ClaimedSlice, ClaimVersion, SliceKey } from "../../../src/domain/model/OrderSlice.ts"
import { planOrder, unknownInstrument } from "../../../src/domain/planning/planOrder.ts"
import { cutSlice } from "../../../src/domain/planning/replan/cutSlice.ts"
import type { RunningOrder, RunningSlice } from "../../../src/domain/planning/replan/RunningOrder.ts"
import { explainSchedule } from "../../../src/domain/planning/schedule/explain.ts"
import { noLimits } from "../../support/generatedOrders.ts"
import { anOrder } from "../../support/orders.ts"

const start = DateTime.makeUnsafe("2026-11-24T09:00:00Z")
const startMillis = DateTime.toEpochMillis(start)

/** An order of 1000 in two slices, an hour apart; the first is claimed. */
const claimedFirst = (lotSize = 1) => {
  const order = anOrder({ randomize: false, numSplits: 2, durationMinutes: 60 })
  const plan = Result.getOrThrow(planOrder(order, noLimits, unknownInstrument, start))
  const slices = plan.slices.map(({ id, sequenceNumber, quantity, dueMillis }, index): RunningSlice => ({
    id,
    sequenceNumber,
    quantity,
    filledQuantity: 0,
    carriedQuantity: 0,
    stage: index === 0 ? "IN_PROGRESS" : "SCHEDULED",
    scheduledMillis: startMillis + dueMillis,
    isLate: false,
    isInDoubt: false,
    brokerIsFinal: false,
    isRejected: false,
    isWaived: false
  }))
  const { revision, firstSequence, cause } = plan
  const [first = assert.fail("no slice")] = plan.slices
  const slice: ClaimedSlice = {
    ...order,
    ...unknownFacts,
    ...first,
    key: SliceKey.make(1_048_577),
    orderId: order.id,
    requestId: null,
    algoId: "77",
    traceId: null,
    market: "EQUITY",
    referencePrice: null,
    claimVersion: ClaimVersion.make(1),
    attempts: 0,
    notBeforeMillis: startMillis + 0.25,
    notAfterMillis: startMillis + 4_200_000,
    leaseExpiresMillis: startMillis + 120_000,
    scheduledMillis: startMillis + 0.25
  }
  const running: RunningOrder = {
    order,
    plan: {
      input: { ...plan.input, lotSize },
      revision,
      firstSequence,
      cause,
      startsAt: start,
      endsAt: DateTime.add(start, { minutes: 60 }),
      completesAt: DateTime.add(start, { minutes: 50 }),
      keepsHours: false
    },
    intended: plan.input,
    completions: 0,
    waitsForCalendar: false,
    slices,
    nextSequence: 3
  }
  return { running, slice }
}

const step = Duration.seconds(30)

/** The quantities of the two parts, or null, for this room. */
const partsOf = (lotSize: number, most: number, steady: number, isFirst = false) => {
  const { running, slice } = claimedFirst(lotSize)
  const cut = cutSlice(running, { slice, room: { most, steady, isFirst }, step, now: start })
  return cut?.plan.slices.map(({ quantity }) => quantity) ?? null
}

describe("a slice that is cut", () => {
  it("goes in part at its own time, never before, and the rest a step later, within the order's window", () => {
    const { running, slice } = claimedFirst()
    const room = { most: 400, steady: 120, isFirst: true }
    const cut = cutSlice(running, { slice, room, step, now: DateTime.subtract(start, { seconds: 2 }) })
    assert.isNotNull(cut)
    if (cut === null) return
    const { plan, cutSequence } = cut
    assert.deepStrictEqual(
      plan.slices.map(({ sequenceNumber, quantity, dueMillis }) => [sequenceNumber, quantity, dueMillis]),
      [
        [3, 120, 0],
        [4, 380, 30_000]
      ]
    )
    assert.deepStrictEqual(
      [plan.revision, plan.firstSequence, plan.cause, cutSequence],
      [2, 3, "VOLUME", slice.sequenceNumber]
    )
    // Its due time has a part of a millisecond.
    const from = plan.startsAt === null ? Number.NaN : DateTime.toEpochMillis(plan.startsAt)
    assert.strictEqual(from, startMillis + 1)
    assert.deepStrictEqual(
      [from + plan.endMillis, from + (plan.completeMillis ?? 0)],
      [startMillis + 3_600_000, startMillis + 3_000_000]
    )
    // As explain repeats it from what is stored.
    assert.deepStrictEqual(
      Result.getOrThrow(explainSchedule(plan.input)).map(({ quantity, offsetMillis }) => [quantity, offsetMillis]),
      [
        [120, 0],
        [380, 30_000]
      ]
    )
  })

  it("that is late goes on from now", () => {
    const { running, slice } = claimedFirst()
    const now = DateTime.add(start, { seconds: 90 })
    const cut = cutSlice(running, { slice, room: { most: 10, steady: 10, isFirst: true }, step, now })
    assert.deepStrictEqual(cut?.plan.startsAt, now)
  })

  it("is cut into whole lots, at least one where nothing was sent lately", () => {
    assert.deepStrictEqual(partsOf(50, 400, 120), [100, 400])
    assert.deepStrictEqual(partsOf(50, 400, 20, true), [50, 450])
    assert.isNull(partsOf(50, 400, 20))
    assert.isNull(partsOf(50, 49, 20, true))
    assert.deepStrictEqual(partsOf(1, 3, 120), [3, 497])
    assert.isNull(partsOf(1, 300, -5))
  })

  it("gives exact parts for any quantity", () => {
    for (let quantity = 1; quantity < 500; quantity += 1) {
      assert.deepStrictEqual(partsOf(1, quantity, 1000), [quantity, 500 - quantity])
    }
  })

  it("keeps its price, and is a completion if it was one", () => {
    const { running, slice } = claimedFirst()
    const limit = { ...slice, orderType: "LIMIT", limitPrice: BigDecimal.fromBigInt(7n) } as const
    const completion = { ...running, plan: { ...running.plan, cause: "COMPLETION" } } as const
    const cut = cutSlice(completion, { slice: limit, room: { most: 9, steady: 9, isFirst: true }, step, now: start })
    assert.deepStrictEqual(
      [cut?.plan.orderType, cut?.plan.limitPrice, cut?.plan.cause, cut?.plan.market],
      ["LIMIT", limit.limitPrice, "COMPLETION", "EQUITY"]
    )
  })

  it("stays whole if it is not in hand any more", () => {
    const { running, slice } = claimedFirst()
    const room = { most: 9, steady: 9, isFirst: true }
    for (const changed of [{ stage: "SCHEDULED" }, { stage: "PROCESSED" }, { isInDoubt: true }] as const) {
      const slices = running.slices.map((one) => ({ ...one, ...changed }))
      assert.isNull(cutSlice({ ...running, slices }, { slice, room, step, now: start }))
    }
    assert.isNull(cutSlice({ ...running, slices: [] }, { slice, room, step, now: start }))
    assert.isNull(cutSlice({ ...running, nextSequence: 2 ** 20 - 1 }, { slice, room, step, now: start }))
  })
})
