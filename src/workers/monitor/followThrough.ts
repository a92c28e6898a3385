import { DateTime, Effect } from "effect"
import { PlacementGate } from "../../broker/PlacementGate.ts"
import { Configuration, planningRules } from "../../config/Configuration.ts"
import { TradingHours } from "../../config/TradingHours.ts"
import { breachesNow, type MarketLimits, needsQuotes } from "../../domain/limits/marketLimits.ts"
import { allowedOf } from "../../domain/limits/participation.ts"
import type { OrderId } from "../../domain/model/Ids.ts"
import { type MarketFacts, unknownFacts } from "../../domain/model/MarketFacts.ts"
import { because } from "../../domain/model/reason.ts"
import { unknownInstrument } from "../../domain/planning/planOrder.ts"
import { planFollowThrough } from "../../domain/planning/replan/planFollowThrough.ts"
import { isScheduled, type OrderChange, type RunningOrder } from "../../domain/planning/replan/RunningOrder.ts"
import { annotateOrder, annotateReason } from "../../runtime/annotate.ts"
import { InstrumentStore } from "../../stores/account/InstrumentStore.ts"
import { QuoteStore } from "../../stores/account/QuoteStore.ts"
import { OrderCommands } from "../../stores/orders/OrderCommands.ts"
import { ReplanStore } from "../../stores/orders/ReplanStore.ts"
import { Telemetry } from "../../telemetry/Telemetry.ts"

/** The most orders of one pass; the others follow in the next. */
const batchSize = 100

/**
 * One pass over orders that deviate from their plan: late slices are respread, unfilled quantity is carried or completed, as
 * each order asks. An order for which no new plan is possible is put on hold for a person.
 */
export const makeFollowThrough = Effect.gen(function* () {
  const config = yield* Configuration
  const hours = yield* TradingHours
  const replans = yield* ReplanStore
  const instruments = yield* InstrumentStore
  const quotes = yield* QuoteStore
  const gate = yield* PlacementGate
  const commands = yield* OrderCommands
  const telemetry = yield* Telemetry
  const { limits } = config
  const windowGrace = config.orderWindowGrace

  const putOnHold = Effect.fnUntraced(function* (id: OrderId, reason: string) {
    const held = because("replan_impossible", `it needs a new plan, and none is possible: ${reason}`)
    if (yield* commands.hold(id, held, yield* DateTime.now)) telemetry.orderReason(held.code)
    yield* Effect.logError(`The order is on hold: ${held.text}`).pipe(annotateReason(held.code))
  })

  const followOne = Effect.fnUntraced(function* (id: OrderId, instrument: string, isLate: boolean) {
    const market = (yield* instruments.markets([instrument])).get(instrument) ?? unknownInstrument
    const now = yield* DateTime.now
    const rules = planningRules(config, hours.calendar())
    const facts = isLate && needsQuotes(limits) ? yield* quotes.facts(instrument, { ...limits, now }) : unknownFacts
    const change = yield* replans.change(id, { now, windowGrace }, (running) => {
      const canBeSent = isLate && !waitsForMarket(running, facts, now, limits)
      return planFollowThrough(canBeSent ? running : withoutLate(running), { rules, market, now })
    })
    if (change === null) return
    yield* logChange(change)
    if (change._tag === "GiveUp") telemetry.sliceReason(change.reason.code, change.slices.length)
    if (change._tag === "Waits") telemetry.orderReason(change.reason.code)
    if (change._tag === "Finished" && change.reason !== null) telemetry.orderReason(change.reason.code)
  })

  // The next pass continues after this order, so that the orders behind a failing one have their turn.
  let last: OrderId | null = null

  return Effect.gen(function* () {
    const isHeld = (yield* gate.current) !== null
    const orders = yield* replans.wantingPlan(last, batchSize, { now: yield* DateTime.now, isHeld })
    for (const { id, instrument, isLate } of orders) {
      last = id
      yield* followOne(id, instrument, isLate).pipe(
        Effect.catchTags({
          CannotReplan: ({ reason, isCancelled }) => (isCancelled ? Effect.void : putOnHold(id, reason)),
          // An order that cannot be read will not become readable: it must not hold up the others.
          DbError: (error) => (error.isGeneral ? Effect.fail(error) : putOnHold(id, error.message))
        }),
        annotateOrder({ id })
      )
    }
    if (orders.length < batchSize) last = null
  })
})

/** Whether the market allows nothing of the order now. A new plan would be late at once, and the next one too. */
const waitsForMarket = (
  { order, plan, slices }: RunningOrder,
  facts: MarketFacts,
  now: DateTime.Utc,
  limits: MarketLimits
): boolean => {
  const next = slices.find(isScheduled)
  if (next === undefined) return false
  const { limitPrice } = order
  const nowMillis = DateTime.toEpochMillis(now)
  const allowed = allowedOf(facts, nowMillis, limits) ?? Infinity
  return allowed < plan.input.lotSize || breachesNow({ ...facts, limitPrice }, nowMillis, limits).length > 0
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
    case "Cut":
      return Effect.logInfo(`Plan ${change.plan.revision} ${causes.VOLUME}`)
    case "GiveUp":
      return Effect.logError(`${change.slices.length} slices skipped: ${change.reason.text}`).pipe(
        annotateReason(change.reason.code)
      )
    case "Waits":
      return Effect.logWarning(`The order needs a new plan: ${change.reason.text}`).pipe(
        annotateReason(change.reason.code)
      )
    case "Finished":
      return change.unfilled === 0
        ? Effect.logInfo("The order is done as it wanted to be")
        : Effect.logError(
            `The order ends with ${change.unfilled} unfilled${change.reason === null ? "" : `: ${change.reason.text}`}`
          ).pipe(annotateReason(change.reason?.code ?? null))
  }
}

const causes = {
  SPLIT: "splits the order",
  AMENDMENT: "amends the order",
  LATENESS: "spreads anew what is late",
  CARRY: "carries on what was not filled",
  COMPLETION: "completes the order at the market",
  VOLUME: "cuts a slice for the share of the volume"
}
