import { type DateTime, Effect, Result } from "effect"
import { makeDayBudget } from "../../broker/accountBudget.ts"
import { Configuration, planningRules } from "../../config/Configuration.ts"
import { TradingHours } from "../../config/TradingHours.ts"
import { overBeforeSplit } from "../../domain/lifecycle/orderState.ts"
import { because } from "../../domain/model/reason.ts"
import { unknownInstrument } from "../../domain/planning/planOrder.ts"
import { annotateOrder, annotateReason } from "../../runtime/annotate.ts"
import { InstrumentStore } from "../../stores/account/InstrumentStore.ts"
import type { ClaimedOrder } from "../../stores/orders/claimPending.ts"
import type { FailedSplit, SplitOrder, WaitingOrder } from "../../stores/orders/OrderStore.ts"
import { isOver, planSplit } from "./planSplit.ts"

/**
 * Plans the orders of a batch: returns the splits to write, and the orders that get none, each with its reason: those that are
 * refused or come too late, and those that wait for the trading calendar.
 */
export const makePlanBatch = Effect.gen(function* () {
  const config = yield* Configuration
  const instruments = yield* InstrumentStore
  const hours = yield* TradingHours
  const openDayBudget = yield* makeDayBudget
  const windowGrace = config.orderWindowGrace

  return Effect.fnUntraced(function* (claimed: ReadonlyArray<ClaimedOrder>, now: DateTime.Utc) {
    const rules = planningRules(config, hours.calendar())
    const splits: Array<SplitOrder> = []
    const failures: Array<FailedSplit> = []
    const waiting: Array<WaitingOrder> = []
    const dayBudget = openDayBudget()
    const markets = yield* instruments.markets(claimed.flatMap(({ instrument }) => instrument ?? []))
    for (const order of claimed) {
      if (order.orderQueueStatus !== "IN_PROGRESS") {
        yield* Effect.logWarning(`Order ${order.orderQueueStatus}: ${order.statusReason ?? ""}`).pipe(
          annotateOrder(order),
          annotateReason(order.reasonCode)
        )
        continue
      }
      const market = markets.get(order.instrument ?? "") ?? unknownInstrument
      const planned = planSplit(order, rules, market, now)
      const { id, claimVersion } = order
      if (Result.isFailure(planned) && planned.failure.waitsFor !== null) {
        const { reason, waitsFor } = planned.failure
        waiting.push({ id, claimVersion, reason, waitsFor })
        yield* Effect.logWarning(`Order not split yet: ${reason.text}`).pipe(
          annotateOrder(order),
          annotateReason(reason.code)
        )
        continue
      }
      const full = Result.isSuccess(planned) ? yield* dayBudget(planned.success.plan, planned.success.startsAt) : null
      const noRoom = full === null ? null : because("broker_rate", full)
      const refusal = Result.isFailure(planned) ? planned.failure.reason : noRoom
      if (Result.isSuccess(planned) && refusal === null && !isOver(planned.success.plan, windowGrace, now)) {
        splits.push(planned.success)
        continue
      }
      const [status, reason] = refusal === null ? ["SKIPPED" as const, overBeforeSplit] : ["FAILED" as const, refusal]
      failures.push({ id, claimVersion, status, reason })
      yield* Effect.logError(`Order ${status.toLowerCase()}: ${reason.text}`).pipe(
        annotateOrder(order),
        annotateReason(reason.code)
      )
    }
    return { splits, failures, waiting }
  })
})
