import { DateTime, type Duration, Result } from "effect"
import { isOrderWindowOver } from "../../domain/lifecycle/orderState.ts"
import { validateArrival } from "../../domain/lifecycle/validateOrder.ts"
import { valueOf } from "../../domain/limits/dayLimits.ts"
import { knownPrice } from "../../domain/limits/marketLimits.ts"
import { because, type Reason } from "../../domain/model/reason.ts"
import { type InstrumentFacts, type OrderPlan, planOrder, type PlanningRules } from "../../domain/planning/planOrder.ts"
import type { ClaimedOrder } from "../../stores/orders/claimPending.ts"
import type { SplitOrder } from "../../stores/orders/OrderStore.ts"

/** Validates an untrusted order row and plans its slices; fails with every problem, each by its column. */
export const planSplit = (
  order: ClaimedOrder,
  rules: PlanningRules,
  market: InstrumentFacts,
  now: DateTime.Utc
): Result.Result<SplitOrder & { readonly startsAt: DateTime.Utc }, Reason> =>
  Result.gen(function* () {
    if (order.createdMillis === null) {
      return yield* Result.fail(invalidOrder("created_at: is more than a year away"))
    }
    const valid = yield* Result.mapError(validateArrival(order), invalidOrder)
    const startsAt = DateTime.makeUnsafe(order.createdMillis)
    const referencePrice = knownPrice(market, now, rules.preTrade)
    return {
      claimVersion: order.claimVersion,
      plan: yield* planOrder(valid, rules, market, startsAt, now),
      startsAt,
      referencePrice,
      value: valueOf(valid, referencePrice)
    }
  })

const invalidOrder = (problems: string): Reason => because("invalid_order", problems)

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
