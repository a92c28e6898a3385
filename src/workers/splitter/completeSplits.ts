import { DateTime, Effect } from "effect"
import { Configuration } from "../../config/Configuration.ts"
import type { DbError } from "../../db/DbError.ts"
import { fitIntoDay, limitsTheDay } from "../../domain/limits/dayLimits.ts"
import { type Sided, selfTrades, selfTradeText } from "../../domain/limits/selfTrade.ts"
import { because, type Reason } from "../../domain/model/reason.ts"
import { annotateOrder, annotateReason } from "../../runtime/annotate.ts"
import { DayTotalStore } from "../../stores/account/DayTotalStore.ts"
import { OpposingOrderStore } from "../../stores/orders/OpposingOrderStore.ts"
import { OrderStore, type SplitOrder } from "../../stores/orders/OrderStore.ts"
import { Telemetry } from "../../telemetry/Telemetry.ts"

/** What became of split orders: the ids of those that are DONE, and those that are FAILED. */
interface Completed {
  readonly done: ReadonlyArray<string>
  readonly refused: ReadonlyArray<Refused>
}
interface Refused {
  readonly id: string
  readonly status: "FAILED"
  readonly claimVersion: number
  readonly reason: Reason
}

/**
 * Makes split orders DONE in one transaction and returns their ids. With a daily limit the totals are locked meanwhile, so
 * that splitters add to them one at a time; orders that no longer fit become FAILED with the reason. So do those that would trade
 * against unfinished orders of the account, if SELF_TRADE_POLICY is `refuse`.
 */
export const makeCompleteSplits = Effect.gen(function* () {
  const telemetry = yield* Telemetry
  const complete = yield* makeCompleteApart

  return Effect.fnUntraced(function* (
    splits: ReadonlyArray<SplitOrder>
  ): Effect.fn.Return<ReadonlyArray<string>, DbError> {
    const { done, refused } = yield* complete(splits, yield* DateTime.now)
    for (const { id, reason } of refused) {
      yield* Effect.logError(`Order failed: ${reason.text}`).pipe(annotateOrder({ id }), annotateReason(reason.code))
      telemetry.orderReason(reason.code)
    }
    return done
  })
})

type Complete = (splits: ReadonlyArray<SplitOrder>, now: DateTime.Utc) => Effect.Effect<Completed, DbError>

/** Completes the orders that do not trade against others of the account, or all of them, as SELF_TRADE_POLICY says. */
const makeCompleteApart = Effect.gen(function* () {
  const { selfTradePolicy } = yield* Configuration
  const opposing = yield* OpposingOrderStore
  const complete = yield* makeCompleteWithinDay
  const refuse = yield* makeRefuse
  if (selfTradePolicy === "allow") return complete

  const apart: Complete = (splits, now) => {
    const orders = splits.map((split): Sided => ({ ...split, id: split.plan.orderId }))
    if (selfTradePolicy === "warn") {
      return Effect.gen(function* () {
        const found = selfTrades(orders, yield* opposing.opposing(orders, now), false)
        for (const order of orders) {
          const against = found.get(order.id)
          if (against === undefined) continue
          yield* Effect.logWarning(`Check the order: ${selfTradeText(order, against)}`).pipe(
            annotateOrder(order),
            annotateReason("self_trade")
          )
        }
        return yield* complete(splits, now)
      })
    }
    return opposing.exclusively(orders, now, (known) =>
      Effect.gen(function* () {
        const found = selfTrades(orders, known, true)
        const reasonOf = (split: SplitOrder) =>
          because("self_trade", selfTradeText(split, found.get(split.plan.orderId) ?? []))
        const opposed = splits.filter(({ plan }) => found.has(plan.orderId))
        const refused = yield* refuse(
          opposed.map((split) => ({ split, reason: reasonOf(split) })),
          now
        )
        const others = yield* complete(
          splits.filter(({ plan }) => !found.has(plan.orderId)),
          now
        )
        return { done: others.done, refused: [...refused, ...others.refused] }
      })
    )
  }
  return apart
})

/** Completes the orders that fit into the limits of the day. */
const makeCompleteWithinDay = Effect.gen(function* () {
  const config = yield* Configuration
  const orders = yield* OrderStore
  const days = yield* DayTotalStore
  const refuse = yield* makeRefuse
  const windowGrace = config.orderWindowGrace

  const all: Complete = (splits, now) =>
    splits.length === 0
      ? Effect.succeed({ done: [], refused: [] })
      : Effect.map(orders.completeSplits(splits, { now, windowGrace }), (done) => ({ done, refused: [] }))
  if (!limitsTheDay(config.limits)) return all

  const fitting: Complete = (splits, now) =>
    days.exclusively(now, (totals) =>
      Effect.gen(function* () {
        const { within, beyond } = fitIntoDay(splits, totals, config.limits)
        const refused = yield* refuse(
          beyond.map(({ order, reason }) => ({ split: order, reason: because("day_limit", reason) })),
          now
        )
        return { ...(yield* all(within, now)), refused }
      })
    )
  return fitting
})

/** Makes orders FAILED, each with its reason. */
const makeRefuse = Effect.gen(function* () {
  const orders = yield* OrderStore
  return (refusals: ReadonlyArray<{ readonly split: SplitOrder; readonly reason: Reason }>, now: DateTime.Utc) => {
    const refused = refusals.map(({ split, reason }): Refused => ({
      id: split.plan.orderId,
      status: "FAILED",
      claimVersion: split.claimVersion,
      reason
    }))
    return refused.length === 0 ? Effect.succeed(refused) : Effect.as(orders.failSplits(refused, now), refused)
  }
})
