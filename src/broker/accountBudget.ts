import { DateTime, Effect } from "effect"
import { Configuration, planningRules } from "../config/Configuration.ts"
import type { DbError } from "../db/DbError.ts"
import { dayIsFull, requestsByDay } from "../domain/limits/orderRate.ts"
import type { OrderPlan } from "../domain/planning/planOrder.ts"
import { OrderBudget } from "../stores/account/OrderBudget.ts"

/**
 * Checks plans against the order requests that the broker account has left on their days. The result is null, or why a plan
 * does not fit. A plan that fits counts against the following ones until the budget is opened again. The rate limit enforces
 * the account's limit when slices are sent; this check refuses an order early instead of at its slice 4,000. Slices of the
 * order that a new plan `replaces` do not count.
 */
export const makeDayBudget = Effect.gen(function* () {
  const config = yield* Configuration
  const budget = yield* OrderBudget
  const { rate } = planningRules(config, null)

  return (replaces?: string) => {
    const committedRequests = new Map<string, number>()
    const countOf = Effect.fnUntraced(function* (day: string, max: number) {
      const count =
        committedRequests.get(day) ?? (yield* budget.committedRequests(config.brokerType, day, max, replaces))
      committedRequests.set(day, count)
      return count
    })

    return Effect.fnUntraced(function* (
      plan: OrderPlan,
      startsAt: DateTime.Utc
    ): Effect.fn.Return<string | null, DbError> {
      if (rate === null) return null
      const startMillis = DateTime.toEpochMillis(plan.startsAt ?? startsAt)
      const wanted = requestsByDay(
        startMillis,
        plan.slices.map(({ dueMillis }) => dueMillis)
      )
      for (const [day, count] of wanted) {
        const full = dayIsFull(day, count, yield* countOf(day, rate.perDay), rate)
        if (full !== null) return full
      }
      for (const [day, count] of wanted) committedRequests.set(day, (committedRequests.get(day) ?? 0) + count)
      return null
    })
  }
})
