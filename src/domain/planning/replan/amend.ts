import { BigDecimal, Duration, Result } from "effect"
import type { Price } from "../../model/Order.ts"
import { because, type Reason } from "../../model/reason.ts"
import { minGapOf, maxPace, planRest, type RestOfWindow, restOfWindow, unknownDays } from "./planRest.ts"
import {
  isMissing,
  isScheduled,
  type PlanningContext,
  type Replan,
  restOfSlices,
  type RunningOrder
} from "./RunningOrder.ts"

/** The changes to the part of an order that has not been sent; null leaves a value as it is. */
export interface Amendment {
  readonly remainingQuantity: number | null
  readonly numSlices: number | null
  /** Counted from now. */
  readonly remainingWindow: Duration.Duration | null
  readonly limitPrice: Price | null
  /** The operator who asked, and the reason. */
  readonly note: string
}

/** The new plan for what has not been sent, as amended; null if nothing changes. Fails with why the amendment is refused. */
export const amend = (
  running: RunningOrder,
  amendment: Amendment,
  context: PlanningContext
): Result.Result<Replan | null, string> => {
  const { order, plan } = running
  const scheduled = running.slices.filter(isScheduled)
  if (scheduled.length === 0) return Result.fail("nothing of the order is still to be sent: submit a new one")
  if (amendment.limitPrice !== null && order.orderType === "MARKET") {
    return Result.fail("limit_price: must be empty for a MARKET order")
  }
  if (plan.keepsHours && context.rules.calendar === null) {
    return Result.fail(
      "it keeps trading hours, and here the calendar is off: set TRADING_CALENDAR as the daemons have it"
    )
  }
  const unknown = unknownDays(running, context)
  if (unknown !== null) return Result.fail(unknown.text)
  if (plan.cause === "COMPLETION") return Result.fail("it is being completed at the market: cancel it instead")
  const { remainingQuantity, remainingWindow } = amendment
  const quantity = remainingQuantity ?? restOfSlices(scheduled)
  const limitPrice = amendment.limitPrice ?? order.limitPrice
  const lots = Math.floor(quantity / plan.input.lotSize)
  const numSlices = amendment.numSlices ?? Math.min(scheduled.length, Math.max(1, lots))
  // A given remaining quantity means all that is still to be sent: what is unfilled by now is not made up for in addition.
  const waived = remainingQuantity === null ? [] : running.slices.filter(isMissing).map(({ id }) => id)
  const changesNothing =
    quantity === restOfSlices(scheduled) &&
    numSlices === scheduled.length &&
    remainingWindow === null &&
    waived.length === 0 &&
    textOf(limitPrice) === textOf(order.limitPrice)
  if (changesNothing) return Result.succeed(null)
  const planned = Result.flatMap(windowOf(running, amendment, numSlices, context), (window) => {
    if (remainingWindow === null && window.millis === 0 && numSlices > 1) {
      return Result.fail(because("window_over", "duration_minutes: the order's window is over; give it a new one"))
    }
    return planRest(running, context, window, {
      quantity,
      numSlices,
      windowMillis: remainingWindow === null ? window.windowMillis : Math.round(Duration.toMillis(remainingWindow)),
      leastGapMillis: 0,
      limitPrice,
      carried: [],
      waived,
      cause: "AMENDMENT",
      note: amendment.note
    })
  })
  return Result.mapError(planned, ({ text }) => text)
}

/**
 * The window of the amended plan. It starts no sooner than the next slice was due, or a gap after the last, so that repeated
 * amendments do not speed the order up.
 */
const windowOf = (
  running: RunningOrder,
  { remainingWindow }: Amendment,
  numSlices: number,
  context: PlanningContext
): Result.Result<RestOfWindow, Reason> => {
  if (remainingWindow !== null) {
    return restOfWindow(running, context, Duration.toMillis(remainingWindow) / numSlices / maxPace)
  }
  const next = running.slices.find(isScheduled)
  const notBefore = running.order.randomize ? -Infinity : next?.scheduledMillis
  return restOfWindow(running, context, minGapOf(running), notBefore)
}

const textOf = (price: Price | null): string => (price === null ? "" : BigDecimal.format(BigDecimal.normalize(price)))
