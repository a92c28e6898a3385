import { Cause, DateTime, Duration, Effect, Exit, Result } from "effect"
import { makeDayBudget } from "../broker/accountBudget.ts"
import { Configuration, planningRules } from "../config/Configuration.ts"
import { TradingHours } from "../config/TradingHours.ts"
import type { DbError } from "../db/DbError.ts"
import { Wakeups } from "../db/Wakeups.ts"
import { validateOrder } from "../domain/lifecycle/validateOrder.ts"
import { valueOf } from "../domain/limits/dayLimits.ts"
import { knownPrice } from "../domain/limits/marketLimits.ts"
import {
  type Market,
  type OrderPlan,
  planOrder,
  type PlanningRules,
  unknownMarket
} from "../domain/planning/planOrder.ts"
import { annotateOrder } from "../runtime/annotate.ts"
import { Instance } from "../runtime/Instance.ts"
import { nowMillis } from "../runtime/nowMillis.ts"
import { InstrumentStore } from "../stores/account/InstrumentStore.ts"
import { type ClaimedOrder, type FailedSplit, OrderStore, type SplitOrder } from "../stores/orders/OrderStore.ts"
import type { SplitOutcome } from "../telemetry/Metrics.ts"
import { Telemetry } from "../telemetry/Telemetry.ts"
import { makeCompleteSplits } from "./splitter/completeSplits.ts"
import { tick } from "./supervision/supervision.ts"
import { WorkerStatus } from "./supervision/WorkerStatus.ts"

/**
 * Picks up PENDING orders in batches and splits each into slices. An invalid order becomes FAILED with its reason and
 * holds up no other. Woken when an order row is committed, and every ORDER_SPLITTER_POLL_INTERVAL_SECONDS.
 */
export const OrderSplitter = Effect.gen(function* () {
  const config = yield* Configuration
  const status = yield* WorkerStatus
  const wakeups = yield* Wakeups
  const splitPending = yield* makeSplitPending
  const isFull = (claimed: number) => claimed === config.orderSplitterBatchSize
  const splitWhileFull = Effect.repeat(splitPending, { while: isFull })
  // With many orders pending one batch is planned while another is written; one after the other where they share what is left of a day.
  const concurrency = planningRules(config, null).rate === null ? 2 : 1
  // One that fails does not end the other.
  const splitMany = Effect.forEach([splitWhileFull, splitWhileFull], (split) => Effect.exit(split), {
    concurrency
  }).pipe(Effect.flatMap(Exit.asVoidAll))

  return yield* tick(
    status,
    "splitter",
    Effect.flatMap(splitPending, (claimed) => (isFull(claimed) ? splitMany : Effect.void))
  ).pipe(
    Effect.andThen(Effect.raceFirst(wakeups.next("orders"), Effect.sleep(config.orderSplitterPollInterval))),
    Effect.forever
  )
})

/** Claims one batch and splits it; returns how many orders it claimed. */
export const makeSplitPending = Effect.gen(function* () {
  const config = yield* Configuration
  const orders = yield* OrderStore
  const instruments = yield* InstrumentStore
  const instance = yield* Instance
  const windowGrace = config.orderWindowGrace
  const { calendar } = yield* TradingHours
  const rules = planningRules(config, calendar)
  const complete = yield* makeCompleteSplits
  const openDayBudget = yield* makeDayBudget
  const telemetry = yield* Telemetry

  const note = (order: ClaimedOrder, outcome: SplitOutcome, slices: number, beganMillis: number) =>
    Effect.map(nowMillis, (endedMillis) => telemetry.split(order, outcome, slices, { beganMillis, endedMillis }))

  /** Writes a group of splits. When the group as a whole cannot be written, each order is tried alone. */
  const completeGroup = (group: ReadonlyArray<SplitOrder>): Effect.Effect<ReadonlyArray<string>, DbError> =>
    complete(group).pipe(
      Effect.catch((error: DbError) => {
        if (group.length > 1 && (!error.isGeneral || tookTooLong(error))) {
          return Effect.map(
            Effect.forEach(group, (order) => completeGroup([order])),
            (done) => done.flat()
          )
        }
        if (error.isGeneral) return Effect.fail(error)
        const failures = group.map(({ plan, claimVersion }) => ({
          id: plan.orderId,
          status: "FAILED" as const,
          claimVersion,
          reason: error.message
        }))
        return Effect.flatMap(DateTime.now, (now) => Effect.as(orders.failSplits(failures, now), []))
      })
    )

  const splitBatch = Effect.fnUntraced(function* (claimed: ReadonlyArray<ClaimedOrder>) {
    const splits: Array<SplitOrder> = []
    const failures: Array<FailedSplit> = []
    const now = yield* DateTime.now
    const beganMillis = yield* nowMillis
    const dayBudget = openDayBudget()
    const markets = yield* instruments.markets(claimed.flatMap(({ instrument }) => instrument ?? []))
    for (const order of claimed) {
      if (order.orderQueueStatus !== "IN_PROGRESS") {
        yield* Effect.logWarning(`Order ${order.orderQueueStatus}: ${order.statusReason ?? ""}`).pipe(
          annotateOrder(order)
        )
        continue
      }
      const market = markets.get(order.instrument ?? "") ?? unknownMarket
      const planned = plan(order, rules, market, now)
      const full = Result.isSuccess(planned) ? yield* dayBudget(planned.success.plan, planned.success.startsAt) : null
      const refusal = Result.isFailure(planned) ? planned.failure : full
      if (Result.isSuccess(planned) && refusal === null && !isOver(planned.success.plan, windowGrace, now)) {
        splits.push(planned.success)
        continue
      }
      const { id, claimVersion } = order
      const [status, reason] = refusal === null ? ["SKIPPED" as const, overBeforeSplit] : ["FAILED" as const, refusal]
      failures.push({ id, claimVersion, status, reason })
      yield* Effect.logError(`Order ${status.toLowerCase()}: ${reason}`).pipe(annotateOrder(order))
    }

    if (failures.length > 0) yield* orders.failSplits(failures, yield* DateTime.now)
    const done = new Set((yield* Effect.forEach(groupsOf(splits), completeGroup)).flat())
    const failed = new Set(failures.flatMap(({ id, status }) => (status === "FAILED" ? [id] : [])))
    for (const order of claimed) {
      const count = splits.find(({ plan }) => plan.orderId === order.id)?.plan.slices.length
      if (count !== undefined && done.has(order.id)) {
        yield* Effect.logInfo(`Order split into ${count} slices`).pipe(annotateOrder(order))
        yield* note(order, "done", count, beganMillis)
      } else if (count !== undefined) {
        yield* Effect.logWarning("Order was not split: another splitter owns it now, or it failed").pipe(
          annotateOrder(order)
        )
        yield* note(order, "not_split", 0, beganMillis)
      } else {
        yield* note(order, failed.has(order.id) ? "failed" : "skipped", 0, beganMillis)
      }
    }
  })

  /** Splits a batch. When it fails, and not just for now, each order is tried alone, and fails alone. */
  const splitAll = (claimed: ReadonlyArray<ClaimedOrder>): Effect.Effect<void, DbError> =>
    splitBatch(claimed).pipe(
      Effect.catchCause((cause) => {
        const [order] = claimed
        if (order === undefined || isPassing(cause)) return Effect.failCause(cause)
        if (claimed.length > 1) return Effect.forEach(claimed, (one) => splitAll([one]), { discard: true })
        const { id, claimVersion } = order
        const failure = { id, claimVersion, status: "FAILED" as const, reason: reasonOf(cause) }
        return Effect.logError("Order failed: it cannot be planned", Cause.pretty(cause)).pipe(
          annotateOrder(order),
          Effect.andThen(DateTime.now),
          Effect.flatMap((now) => orders.failSplits([failure], now)),
          Effect.andThen(nowMillis),
          Effect.flatMap((beganMillis) => note(order, "failed", 0, beganMillis))
        )
      })
    )

  // What is claimed is split or given back, whenever it is interrupted.
  return Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const claimed = yield* orders.claimPending({
        now: yield* DateTime.now,
        owner: instance.id,
        limit: config.orderSplitterBatchSize,
        windowGrace: calendar === null ? windowGrace : null
      })
      if (claimed.length === 0) return 0
      yield* restore(splitAll(claimed)).pipe(
        // Stopped, or without a database: nobody need wait for the timeout. What is DONE or FAILED by now stays so.
        Effect.onError(() =>
          Effect.flatMap(DateTime.now, (now) => orders.release(claimed, now)).pipe(
            Effect.catch((error) =>
              Effect.logWarning(`Orders could not be given back; the monitor does it later: ${error.message}`)
            )
          )
        )
      )
      return claimed.length
    })
  )
})

/** So many slices are inserted by one statement, at most, unless a single order has more. */
const maxGroup = 5000

const groupsOf = (splits: ReadonlyArray<SplitOrder>): ReadonlyArray<ReadonlyArray<SplitOrder>> => {
  const groups: Array<Array<SplitOrder>> = []
  let size = Infinity
  for (const split of splits) {
    size += split.plan.slices.length
    if (size > maxGroup) {
      groups.push([])
      size = split.plan.slices.length
    }
    groups.at(-1)?.push(split)
  }
  return groups
}

/** Stopped, or a database that every order would meet alike. */
const isPassing = (cause: Cause.Cause<DbError>): boolean =>
  cause.reasons.some(
    (reason) => Cause.isInterruptReason(reason) || (Cause.isFailReason(reason) && reason.error.isGeneral)
  )

const reasonOf = (cause: Cause.Cause<DbError>): string => {
  const error = Cause.squash(cause)
  return error instanceof Error ? error.message : String(error)
}

/** Statement timeout: on the server, or ours when the server said nothing. */
const tookTooLong = (error: DbError): boolean => error.sqlState === "57014" || error.sqlState === null

/** Checks an untrusted order row and plans its slices, or says what is wrong with it. */
const plan = (
  order: ClaimedOrder,
  rules: PlanningRules,
  market: Market,
  now: DateTime.Utc
): Result.Result<SplitOrder & { readonly startsAt: DateTime.Utc }, string> =>
  Result.gen(function* () {
    if (order.createdMillis === null) return yield* Result.fail("created_at: is more than a year away")
    const valid = yield* validateOrder(order)
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

/** Only in trading time: by the clock on the wall, the statement that claims an order tells. */
const isOver = ({ startsAt, endMillis }: OrderPlan, grace: Duration.Duration, now: DateTime.Utc): boolean =>
  startsAt !== null &&
  DateTime.toEpochMillis(startsAt) + endMillis + Duration.toMillis(grace) < DateTime.toEpochMillis(now)

const overBeforeSplit = "the order's window and its grace were over before the split"
