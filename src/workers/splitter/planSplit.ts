import { DateTime, type Duration, Result } from "effect"
import { isOrderWindowOver } from "../../domain/lifecycle/orderState.ts"
import { validateArrival } from "../../domain/lifecycle/validateOrder.ts"
import { valueOf } from "../../domain/limits/dayLimits.ts"
import { knownPrice } from "../../domain/limits/marketLimits.ts"
import { type KnownEnd, knownEndFor, waitingForCalendar } from "../../domain/market/orderTime.ts"
import { because, type Reason } from "../../domain/model/reason.ts"
import {
  hasDerivatives,
  type InstrumentFacts,
  type OrderPlan,
  planOrder,
  type PlanningRules
} from "../../domain/planning/planOrder.ts"
import type { ClaimedOrder } from "../../stores/orders/claimPending.ts"
import type { SplitOrder } from "../../stores/orders/OrderStore.ts"

/** Why an order has no plan. */
export interface Unplanned {
  readonly reason: Reason
  /** The end of the calendar, if nothing but more of its days is needed; null for an order that is refused. */
  readonly waitsFor: KnownEnd | null
}

/** Validates an untrusted order row and plans its slices; fails with every problem, each by its column. */
export const planSplit = (
  order: ClaimedOrder,
  rules: PlanningRules,
  market: InstrumentFacts,
  now: DateTime.Utc
): Result.Result<SplitOrder & { readonly startsAt: DateTime.Utc }, Unplanned> =>
  Result.gen(function* () {
    if (order.startsMillis === null) {
      return yield* Result.fail(invalidOrder("created_at: is more than a year away"))
    }
    const valid = yield* Result.mapError(validateArrival(order), invalidOrder)
    const startsAt = DateTime.makeUnsafe(order.startsMillis)
    const referencePrice = knownPrice(market, now, rules.preTrade)
    const plan = Result.mapError(planOrder(valid, rules, market, startsAt, now), (reason): Unplanned => {
      if (reason.code !== "calendar_ends") return { reason, waitsFor: null }
      const waitsFor = knownEndFor({ ...valid, hasDerivatives: hasDerivatives(market) }, rules.calendar)
      return { reason: waitsFor === null ? reason : waitingForCalendar(reason), waitsFor }
    })
    const made = yield* plan
    return {
      claimVersion: order.claimVersion,
      // Of created_at only the database has the microseconds.
      plan: order.isRestarted ? { ...made, startsAt: made.startsAt ?? startsAt } : made,
      startsAt,
      instrument: valid.instrument,
      side: valid.side,
      referencePrice,
      value: valueOf(valid, referencePrice)
    }
  })

const invalidOrder = (problems: string): Unplanned => ({ reason: because("invalid_order", problems), waitsFor: null })

/**
 * Whether the window and its grace are over at `now`. It applies to plans that count in trading time; for the others the
 * claim statement decides by wall-clock time.
 */
export const isOver = ({ startsAt, endMillis }: OrderPlan, grace: Duration.Duration, now: DateTime.Utc): boolean =>
  startsAt !== null &&
  isOrderWindowOver(
    { startMillis: DateTime.toEpochMillis(startsAt), windowMillis: endMillis },
    grace,
    DateTime.toEpochMillis(now)
  )
