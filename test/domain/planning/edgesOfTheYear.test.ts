import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Result } from "effect"
import { deadlineMillis, refusalToFire } from "../../../src/domain/lifecycle/placement.ts"
import { builtInCalendar } from "../../../src/domain/market/data/builtInCalendar.ts"
import { OrderId, SliceId, Tag } from "../../../src/domain/model/Ids.ts"
import { unknownFacts } from "../../../src/domain/model/MarketFacts.ts"
import { type ClaimedSlice, ClaimVersion, sliceKeyOf } from "../../../src/domain/model/OrderSlice.ts"
import { type OrderPlan, planOrder } from "../../../src/domain/planning/planOrder.ts"
import { isOpenAt, minutesOfDay, yearStartMillis } from "../../support/exchangeHours.ts"
import { casesOr, type Choices, choicesOf } from "../../support/generate.ts"
import { anyMoment, anyOrder, type GeneratedOrder } from "../../support/generatedOrders.ts"
import { unlimited } from "../../support/limits.ts"

const margins = { openMillis: 5000, closeMillis: 15_000 }
const limits = {
  brokerTimeout: Duration.seconds(10),
  preTrade: unlimited,
  calendar: builtInCalendar,
  margins,
  marketPause: Duration.seconds(5)
}

/** Days with hours of their own: the Budget's Sunday, evenings of MCX alone, its morning, and the calendar's last days. */
const specialDays = [0, 14, 31, 61, 151, 292, 313, 327, 363, 364] as const

/** The times at which some market opens or closes, in minutes of the day. */
const edges = [540, 555, 915, 930, 940, 1020, 1410, 1435] as const

/** A moment of the year, often of a special day or just around an open or a close. */
const edgeOf = (choices: Choices): number => {
  const { int, pick } = choices
  const midnight = yearStartMillis + pick([pick(specialDays), int(0, 364)]) * minutesOfDay * 60_000
  return pick([
    anyMoment(choices),
    midnight + pick(edges) * 60_000 + int(-90_000, 90_000),
    midnight + int(0, 86_399_999)
  ])
}

const claimed = ({ order }: GeneratedOrder, plan: OrderPlan, quantity: number, dueMillis: number): ClaimedSlice => ({
  id: SliceId.make("slice"),
  orderId: OrderId.make("order"),
  tag: Tag.make("TAG"),
  key: sliceKeyOf(1, 1),
  sequenceNumber: 1,
  quantity,
  instrument: order.instrument,
  side: order.side,
  orderType: order.orderType,
  limitPrice: order.limitPrice,
  productType: order.productType,
  validity: order.validity,
  claimVersion: ClaimVersion.make(1),
  attempts: 0,
  scheduledMillis: dueMillis,
  notBeforeMillis: dueMillis,
  notAfterMillis: dueMillis + 600_000,
  leaseExpiresMillis: dueMillis + 120_000,
  requestId: null,
  traceId: null,
  market: plan.market,
  referencePrice: null,
  ...unknownFacts
})

/** What is wrong with a plan at the edges of its sessions; null if nothing is. */
const lost = (generated: GeneratedOrder, plan: OrderPlan): string | null => {
  const { order, venueId, at } = generated
  const startMillis = DateTime.toEpochMillis(plan.startsAt ?? at)
  const sum = plan.slices.reduce((all, { quantity }) => all + quantity, 0)
  if (sum !== order.totalQuantity) return `the slices sum to ${sum}`
  for (const { quantity, dueMillis: offset, sequenceNumber } of plan.slices) {
    const due = startMillis + offset
    const which = () => `slice ${sequenceNumber} at ${new Date(due).toISOString()}`
    const isInside = isOpenAt(venueId, due - margins.openMillis) && isOpenAt(venueId, due + margins.closeMillis)
    if (!isInside || !isOpenAt(venueId, due)) return `${which()} is too near to an open or a close`
    const slice = claimed(generated, plan, quantity, due)
    const refusal = refusalToFire(slice, due, limits)
    if (refusal !== null) return `${which()} is not fired: ${JSON.stringify(refusal)}`
    if (deadlineMillis(slice, due, limits) < due + margins.closeMillis - 1) return `${which()} has no time to be sent`
  }
  return null
}

describe("generated orders at the edges of a year's sessions", () => {
  const cases = casesOr(2000)
  it(
    "lose no slice, and have none due outside of a session and its margins",
    () => {
      const counts = { planned: 0, "beyond the calendar": 0, "too late for the day": 0, other: 0 }
      for (let index = 0; index < cases; index += 1) {
        const choices = choicesOf(`edges/${index}`)
        const any = anyOrder(`edge-${index}`, choices)
        const generated = {
          ...any,
          at: DateTime.makeUnsafe(edgeOf(choices)),
          rules: { ...any.rules, calendar: builtInCalendar, margins }
        }
        const { order, rules, market, at } = generated
        const plan = planOrder(order, rules, market, at)
        if (Result.isSuccess(plan)) {
          counts.planned += 1
          const problem = lost(generated, plan.success)
          if (problem !== null) assert.fail(`case ${index}, ${DateTime.formatIso(at)}: ${problem}`)
        } else if (plan.failure.code === "calendar_ends") counts["beyond the calendar"] += 1
        else if (plan.failure.code === "market_closed") {
          counts["too late for the day"] += 1
          assert.strictEqual(order.sessionPolicy, "SAME_DAY", plan.failure.text)
        } else counts.other += 1
      }
      assert.isAbove(counts.planned, cases / 4, JSON.stringify(counts))
      assert.isAbove(counts["beyond the calendar"], cases / 200, JSON.stringify(counts))
      assert.isAbove(counts["too late for the day"], cases / 10, JSON.stringify(counts))
    },
    60_000 + cases * 20
  )
})
