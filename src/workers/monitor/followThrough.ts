import { DateTime, Effect } from "effect"
import { PlacementGate } from "../../broker/PlacementGate.ts"
import { Configuration, planningRules } from "../../config/Configuration.ts"
import { TradingHours } from "../../config/TradingHours.ts"
import { breachesNow, type MarketLimits, needsQuotes } from "../../domain/limits/marketLimits.ts"
import type { OrderId } from "../../domain/model/Ids.ts"
import { type MarketFacts, unknownFacts } from "../../domain/model/MarketFacts.ts"
import { unknownMarket } from "../../domain/planning/planOrder.ts"
import { followThrough } from "../../domain/planning/replan/followThrough.ts"
import { isScheduled, type OrderChange, type RunningOrder } from "../../domain/planning/replan/RunningOrder.ts"
import { annotateOrder } from "../../runtime/annotate.ts"
import { InstrumentStore } from "../../stores/account/InstrumentStore.ts"
import { QuoteStore } from "../../stores/account/QuoteStore.ts"
import { OrderCommands } from "../../stores/orders/OrderCommands.ts"
import { ReplanStore } from "../../stores/orders/ReplanStore.ts"

/** So many orders are looked at in one pass; the others follow in the next. */
const batchSize = 100

/**
 * One pass over the orders whose day does not go to plan: what is late is spread anew as soon as it can be sent, what is
 * missing carried on or completed, each as its order wants it. An order that can have no new plan is put on hold for a person to look at.
 */
export const makeFollowThrough = Effect.gen(function* () {
  const config = yield* Configuration
  const { calendar } = yield* TradingHours
  const replans = yield* ReplanStore
  const instruments = yield* InstrumentStore
  const quotes = yield* QuoteStore
  const gate = yield* PlacementGate
  const commands = yield* OrderCommands
  const { limits } = config
  const rules = planningRules(config, calendar)
  const windowGrace = config.orderWindowGrace

  const hold = Effect.fnUntraced(function* (id: OrderId, reason: string) {
    yield* commands.hold(id, `it needs a new plan, and none is possible: ${reason}`, yield* DateTime.now)
    yield* Effect.logError(`The order is on hold, it needs a new plan and none is possible: ${reason}`)
  })

  const followOne = Effect.fnUntraced(function* (id: OrderId, instrument: string, isLate: boolean) {
    const market = (yield* instruments.markets([instrument])).get(instrument) ?? unknownMarket
    const now = yield* DateTime.now
    const facts = isLate && needsQuotes(limits) ? yield* quotes.facts(instrument, { ...limits, now }) : unknownFacts
    const change = yield* replans.change(id, { now, windowGrace }, (running) => {
      const canBeSent = isLate && !waitsForMarket(running, facts, now, limits)
      return followThrough(canBeSent ? running : withoutLate(running), { rules, market, now })
    })
    if (change !== null) yield* logChange(change)
  })

  // However many wait for something, and whatever fails with one of them: those after it have their turn.
  let last: OrderId | null = null

  return Effect.gen(function* () {
    const isHeld = (yield* gate.current) !== null
    const orders = yield* replans.unsettled(last, batchSize, { now: yield* DateTime.now, isHeld })
    for (const { id, instrument, isLate } of orders) {
      last = id
      yield* followOne(id, instrument, isLate).pipe(
        Effect.catchTags({
          CannotReplan: ({ reason, isCancelled }) => (isCancelled ? Effect.void : hold(id, reason)),
          // What cannot be read today cannot be read tomorrow: the others need not wait for it.
          DbError: (error) => (error.isGeneral ? Effect.fail(error) : hold(id, error.message))
        }),
        annotateOrder({ id })
      )
    }
    if (orders.length < batchSize) last = null
  })
})

/** A plan for what the market does not allow would be late at once, and so on without end. */
const waitsForMarket = (
  { order, slices }: RunningOrder,
  facts: MarketFacts,
  now: DateTime.Utc,
  limits: MarketLimits
): boolean => {
  const next = slices.find(isScheduled)
  if (next === undefined) return false
  const { limitPrice } = order
  return breachesNow({ ...facts, limitPrice, quantity: next.quantity }, DateTime.toEpochMillis(now), limits).length > 0
}

const withoutLate = (running: RunningOrder): RunningOrder => ({
  ...running,
  slices: running.slices.map((slice) => ({ ...slice, isLate: false }))
})

const logChange = (change: OrderChange) => {
  switch (change._tag) {
    case "Replan": {
      const { cause, revision, slices } = change.plan
      const quantity = slices.reduce((sum, slice) => sum + slice.quantity, 0)
      return Effect.logWarning(
        `Plan ${revision} ${causes[cause]}: ${quantity} in ${slices.length} slices` +
          (change.carried.length === 0 ? "" : `, with what is missing of ${change.carried.length} earlier ones`)
      )
    }
    case "GiveUp":
      return Effect.logError(`${change.slices.length} slices skipped: ${change.reason}`)
    case "Settled":
      return change.shortfall === 0
        ? Effect.logInfo("The order is done as it wanted to be")
        : Effect.logError(
            `The order ends with a shortfall of ${change.shortfall}${change.reason === null ? "" : `: ${change.reason}`}`
          )
  }
}

const causes = {
  SPLIT: "splits the order",
  AMENDMENT: "amends the order",
  LATENESS: "spreads anew what is late",
  CARRY: "carries on what was not filled",
  COMPLETION: "completes the order at the market"
}
