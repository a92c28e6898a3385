import { BigDecimal, Duration, Result } from "effect"
import type { Price } from "../Order.ts"
import { planRest, restOfWindow } from "./planRest.ts"
import { isScheduled, type PlanningContext, type Replan, restOfSlices, type RunningOrder } from "./RunningOrder.ts"

/** What to change of the part of an order that has not been sent; null leaves it as it is. */
export interface Amendment {
  readonly remainingQuantity: number | null
  readonly numSlices: number | null
  /** From now on. */
  readonly remainingWindow: Duration.Duration | null
  readonly limitPrice: Price | null
  /** Who asked, and why. */
  readonly note: string
}

/** A new plan for what has not been sent, as amended; null when that changes nothing. */
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
  if (plan.cause === "COMPLETION") return Result.fail("it is being completed at the market: cancel it instead")
  const quantity = amendment.remainingQuantity ?? restOfSlices(scheduled)
  const limitPrice = amendment.limitPrice ?? order.limitPrice
  const lots = Math.floor(quantity / plan.input.lotSize)
  const numSlices = amendment.numSlices ?? Math.min(scheduled.length, Math.max(1, lots))
  const changesNothing =
    quantity === restOfSlices(scheduled) &&
    numSlices === scheduled.length &&
    amendment.remainingWindow === null &&
    textOf(limitPrice) === textOf(order.limitPrice)
  if (changesNothing) return Result.succeed(null)
  return Result.flatMap(restOfWindow(running, context, context.rules.leastGapMillis), (window) => {
    if (amendment.remainingWindow === null && window.millis === 0 && numSlices > 1) {
      return Result.fail("duration_minutes: the order's window is over; give it a new one")
    }
    return planRest(running, context, window, {
      quantity,
      numSlices,
      windowMillis:
        amendment.remainingWindow === null ? window.millis : Math.round(Duration.toMillis(amendment.remainingWindow)),
      leastGapMillis: 0,
      limitPrice,
      carried: [],
      cause: "AMENDMENT",
      note: amendment.note
    })
  })
}

const textOf = (price: Price | null): string => (price === null ? "" : BigDecimal.format(BigDecimal.normalize(price)))
