import { type BigDecimal, DateTime } from "effect"
import type {
  OrderRecord,
  RecordedCall,
  RecordedDouble,
  RecordedOrder,
  RecordedPlan,
  RecordedQuote,
  RecordedSlice
} from "../domain/lifecycle/OrderRecord.ts"
import { isFinishedState } from "../domain/lifecycle/orderState.ts"
import { isLost, isOpenAtBroker, isUnfinished } from "../domain/model/sliceState.ts"
import { arrivalOf, costAgainst, type Costs, costsOf } from "./costs.ts"
import { type Lateness, latenessOf } from "./lateness.ts"
import { type Progress, progressOf } from "./progress.ts"
import { slicesText } from "./words.ts"

/** An order's quantity by where it is. The parts add up to the total, unless something is wrong. */
export interface Quantities {
  readonly filled: number
  /** At the broker, where it may still be filled. */
  readonly working: number
  /** Claimed at this moment, or in doubt. */
  readonly inDoubt: number
  readonly scheduled: number
  /** Refused, skipped or left unfilled for good, and not carried into later slices. */
  readonly givenUp: number
}

export interface ReportedSlice extends RecordedSlice {
  /** Cost of its fill against the arrival price; null when either price is not known. */
  readonly basisPoints: BigDecimal.BigDecimal | null
}

export interface ReportedPlan extends Omit<RecordedPlan, "sessions" | "firstSequence"> {
  readonly slices: number
  readonly quantity: number
  /** The number of its slices that a later plan replaced before they were sent. */
  readonly replaced: number
}

export interface ReportedCall extends RecordedCall {
  readonly sequenceNumber: number | null
}

/** One order's execution: plans, outcomes and costs. Quantities are in units of the instrument. */
export interface ExecutionReport {
  /** The time that the report describes. */
  readonly at: DateTime.Utc
  readonly order: RecordedOrder
  /** Whether nothing more will happen to the order. */
  readonly isOver: boolean
  /** Whether its plan keeps a market's hours; its times are then written in India's time. */
  readonly keepsHours: boolean
  /** Null when the order is not split. */
  readonly quantities: Quantities | null
  /** The average price of fills at a known price, rounded to four decimals; null without such fills. */
  readonly averagePrice: BigDecimal.BigDecimal | null
  readonly progress: Progress | null
  readonly lateness: Lateness | null
  readonly costs: Costs | null
  /** The quotes of the order's time that are kept. */
  readonly quotes: ReadonlyArray<RecordedQuote>
  readonly plans: ReadonlyArray<ReportedPlan>
  readonly slices: ReadonlyArray<ReportedSlice>
  readonly calls: ReadonlyArray<ReportedCall>
  /** Readings of the broker's whole order list in the order's time; each serves all orders. */
  readonly lookUps: { readonly count: number; readonly failed: number }
  readonly doubles: ReadonlyArray<RecordedDouble>
  /** The matters that need a person's attention, in words. */
  readonly alarms: ReadonlyArray<string>
  /** The facts that the report cannot tell, in words. */
  readonly notKnown: ReadonlyArray<string>
}

/**
 * Computes a report from one order's rows, as ReportStore reads them, and the time. It is pure, and works on running
 * orders as well. Quantities count only slices that no later plan has replaced. A price, cost or time that is not
 * known is null, never guessed, and `notKnown` says why. Called by reportCommand; src/cli/report draws it as text and
 * as HTML.
 */
export const executionReport = (record: OrderRecord, now: DateTime.Utc): ExecutionReport => {
  const { order, plans, slices } = record
  const isOver = isFinishedState(order.state)
  const costs = costsOf(record)
  const progress = progressOf(record, now, isOver)
  return {
    at: now,
    order,
    isOver,
    keepsHours: plans.some(({ sessions }) => sessions !== null),
    quantities: slices.length === 0 ? null : quantitiesOf(slices),
    averagePrice: costs?.averagePrice ?? null,
    progress,
    lateness: latenessOf(slices, plans),
    costs,
    quotes: progress === null ? [] : record.quotes.filter(({ at }) => isWithin(progress, at)),
    plans: plans.map((plan, index) => reportedPlan(plan, plans[index + 1], slices)),
    slices: slices.map((slice) => ({ ...slice, basisPoints: sliceCost(slice, order, costs) })),
    calls: withNumbers(record),
    lookUps: { count: record.lookUps.count, failed: record.lookUps.failed.length },
    doubles: record.doubles,
    alarms: alarmsOf(record),
    notKnown: notKnownOf(record)
  }
}

const isWithin = ({ from, to }: Progress, at: DateTime.Utc): boolean =>
  DateTime.between(at, { minimum: from, maximum: to })

const quantitiesOf = (slices: ReadonlyArray<RecordedSlice>): Quantities => {
  const current = slices.filter(({ replacedBy }) => replacedBy === null)
  const sum = (quantity: (slice: RecordedSlice) => number) =>
    current.reduce((total, slice) => total + quantity(slice), 0)
  const unfilledIf = (isSo: (slice: RecordedSlice) => boolean) =>
    sum((slice) => (isSo(slice) ? slice.quantity - slice.filledQuantity : 0))
  return {
    filled: sum(({ filledQuantity }) => filledQuantity),
    working: unfilledIf(isOpenAtBroker),
    inDoubt: unfilledIf(({ stage }) => stage === "IN_PROGRESS"),
    scheduled: unfilledIf(({ stage }) => stage === "SCHEDULED"),
    givenUp: sum((slice) =>
      isUnfinished(slice) ? 0 : Math.max(0, slice.quantity - slice.filledQuantity - slice.carriedQuantity)
    )
  }
}

const reportedPlan = (
  plan: RecordedPlan,
  next: RecordedPlan | undefined,
  slices: ReadonlyArray<RecordedSlice>
): ReportedPlan => {
  const { sessions: _, firstSequence, ...rest } = plan
  const own = slices.filter(
    ({ sequenceNumber }) => sequenceNumber >= firstSequence && sequenceNumber < (next?.firstSequence ?? Infinity)
  )
  return {
    ...rest,
    slices: own.length,
    quantity: own.reduce((sum, { quantity }) => sum + quantity, 0),
    replaced: own.filter(({ replacedBy }) => replacedBy !== null).length
  }
}

const sliceCost = (slice: RecordedSlice, order: RecordedOrder, costs: Costs | null): BigDecimal.BigDecimal | null => {
  const arrival = arrivalOf(costs)
  if (arrival === null || slice.averagePrice === null || slice.filledQuantity === 0) return null
  const sign = order.side === "SELL" ? -1n : 1n
  return costAgainst(arrival, { quantity: 1, value: slice.averagePrice }, sign).basisPoints
}

const withNumbers = ({ calls, slices }: OrderRecord): ReadonlyArray<ReportedCall> => {
  const numbers = new Map(slices.map(({ id, sequenceNumber }) => [id, sequenceNumber]))
  return calls.map((call) => ({
    ...call,
    sequenceNumber: call.sliceId === null ? null : (numbers.get(call.sliceId) ?? null)
  }))
}

const alarmsOf = ({ order, slices, doubles }: OrderRecord): ReadonlyArray<string> => {
  const inDoubt = slices.filter(({ isInDoubt }) => isInDoubt)
  const lost = slices.filter(isLost)
  const overfilled = slices.filter(
    ({ quantity, filledQuantity, carriedQuantity }) => filledQuantity + carriedQuantity > quantity
  )
  return [
    ...doubles.map(
      ({ sliceId, brokerOrderIds }) =>
        `DOUBLE PLACEMENT: the broker has ${brokerOrderIds.join(" and ")} for slice ${numberOf(slices, sliceId)}`
    ),
    ...(order.holdReason === null ? [] : [`The order is on hold: ${order.holdReason}`]),
    ...(inDoubt.length === 0
      ? []
      : [`Nobody knows yet whether ${numbersText(inDoubt)} ${inDoubt.length === 1 ? "was" : "were"} placed`]),
    ...(lost.length === 0
      ? []
      : [
          `The broker's order list no longer shows the order of ${numbersText(lost)}, which was still open: give its outcome with "slice placed"`
        ]),
    ...(overfilled.length === 0 ? [] : [`More than there should be is filled of ${numbersText(overfilled)}`])
  ]
}

const notKnownOf = ({ plans, slices }: OrderRecord): ReadonlyArray<string> => {
  if (slices.length === 0) return []
  const isPlaced = ({ stage }: RecordedSlice) => stage === "PROCESSED"
  const unsent = slices.filter((slice) => isPlaced(slice) && slice.placedAt === null)
  const unpriced = slices.filter(({ filledQuantity, averagePrice }) => filledQuantity > 0 && averagePrice === null)
  return [
    ...(slices.some(({ filledQuantity }) => filledQuantity > 0)
      ? [
          "When each fill happened: a slice's fills are shown when the service last saw them change in the broker's order list",
          "Brokerage, taxes and charges"
        ]
      : []),
    ...(unsent.length === 0
      ? []
      : [`When ${numbersText(unsent)} left: found in the broker's order list afterwards, shown and not timed`]),
    ...(unpriced.length === 0
      ? []
      : [
          `At what price ${unpriced.reduce((sum, { filledQuantity }) => sum + filledQuantity, 0)} of ${numbersText(unpriced)} were filled: left out of prices and costs`
        ]),
    ...(plans.length === 0 ? ["What was planned first: the order was split before plans were kept"] : [])
  ]
}

const numberOf = (slices: ReadonlyArray<RecordedSlice>, id: string): string =>
  `${slices.find((slice) => slice.id === id)?.sequenceNumber ?? id}`

const numbersText = (slices: ReadonlyArray<RecordedSlice>): string =>
  slicesText(slices.map(({ sequenceNumber }) => sequenceNumber))
