import { Cause, DateTime, Effect, Result } from "effect"
import { Configuration } from "../Configuration.ts"
import type { DbError } from "../db/Db.ts"
import { Wakeups } from "../db/Wakeups.ts"
import { split } from "../domain/Split.ts"
import { validateOrder } from "../domain/validateOrder.ts"
import { Instance } from "../Instance.ts"
import { type ClaimedOrder, type FailedSplit, OrderStore, type SplitOrder } from "../stores/OrderStore.ts"
import { tick } from "./Worker.ts"
import { WorkerStatus } from "./WorkerStatus.ts"

/**
 * Picks up PENDING orders in batches and splits each into slices. An invalid order becomes FAILED with its reason and
 * holds up no other. Woken when an order row is committed, and every ORDER_SPLITTER_POLL_INTERVAL_SECONDS.
 */
export const OrderSplitter = Effect.gen(function* () {
  const config = yield* Configuration
  const status = yield* WorkerStatus
  const wakeups = yield* Wakeups
  const splitPending = yield* makeSplitPending

  return yield* tick(
    status,
    "splitter",
    Effect.repeat(splitPending, { while: (claimed) => claimed === config.orderSplitterBatchSize })
  ).pipe(
    Effect.andThen(Effect.raceFirst(wakeups.next("orders"), Effect.sleep(config.orderSplitterPollInterval))),
    Effect.forever
  )
})

/** Claims one batch and splits it; returns how many orders it claimed. */
export const makeSplitPending = Effect.gen(function* () {
  const config = yield* Configuration
  const orders = yield* OrderStore
  const instance = yield* Instance
  const windowGrace = config.orderWindowGrace

  const complete = (splits: ReadonlyArray<SplitOrder>) =>
    Effect.flatMap(DateTime.now, (now) => orders.completeSplits(splits, { now, windowGrace }))

  /** One order of a batch that could not be written as a whole: it alone fails, if it is the one to blame. */
  const completeAlone = (order: SplitOrder) =>
    complete([order]).pipe(
      Effect.catchIf(
        (error) => !error.isTransient,
        (error) =>
          Effect.flatMap(DateTime.now, (now) =>
            orders.failSplits([{ ...order, reason: error.message }], now).pipe(Effect.as([]))
          )
      )
    )

  const completeAll = (splits: ReadonlyArray<SplitOrder>): Effect.Effect<ReadonlyArray<string>, DbError> =>
    splits.length === 0
      ? Effect.succeed([])
      : complete(splits).pipe(
          Effect.catchIf(
            (error) => !error.isTransient,
            () => Effect.map(Effect.forEach(splits, completeAlone), (done) => done.flat())
          )
        )

  const splitBatch = Effect.fnUntraced(function* (claimed: ReadonlyArray<ClaimedOrder>) {
    const splits: Array<SplitOrder> = []
    const failures: Array<FailedSplit> = []
    for (const order of claimed) {
      if (order.orderQueueStatus === "SKIPPED") {
        yield* Effect.logWarning(`Order skipped: ${order.statusReason ?? ""}`).pipe(annotate(order))
        continue
      }
      const planned = plan(order)
      if (Result.isSuccess(planned)) {
        splits.push(planned.success)
      } else {
        failures.push({ id: order.id, claimVersion: order.claimVersion, reason: planned.failure })
        yield* Effect.logError(`Order failed: ${planned.failure}`).pipe(annotate(order))
      }
    }

    if (failures.length > 0) yield* orders.failSplits(failures, yield* DateTime.now)
    const done = new Set(yield* completeAll(splits))
    for (const order of claimed) {
      const count = splits.find((split) => split.id === order.id)?.slices.length
      if (count !== undefined && done.has(order.id)) {
        yield* Effect.logInfo(`Order split into ${count} slices`).pipe(annotate(order))
      } else if (count !== undefined) {
        yield* Effect.logWarning("Order was not split: another splitter owns it now, or it failed").pipe(
          annotate(order)
        )
      }
    }
  })

  return Effect.gen(function* () {
    const claimed = yield* orders.claimPending({
      now: yield* DateTime.now,
      owner: instance.id,
      limit: config.orderSplitterBatchSize,
      windowGrace
    })
    yield* splitBatch(claimed).pipe(
      // Stopped or failed half-way: others need not wait for the timeout. What is DONE or FAILED by now stays so.
      Effect.onExit((exit) =>
        exit._tag === "Failure" && Cause.hasInterruptsOnly(exit.cause)
          ? Effect.flatMap(DateTime.now, (now) => orders.release(claimed, now)).pipe(Effect.ignore)
          : Effect.void
      )
    )
    return claimed.length
  })
})

/** Checks an untrusted order row and plans its slices, or says what is wrong with it. */
const plan = (order: ClaimedOrder): Result.Result<SplitOrder, string> =>
  Result.map(validateOrder(order), (valid) => ({
    id: order.id,
    claimVersion: order.claimVersion,
    slices: split(valid).map((slice) => ({ ...slice, orderId: order.id }))
  }))

const annotate = (order: ClaimedOrder) =>
  Effect.annotateLogs({ order_id: order.id, request_id: order.requestId, trace_id: order.originTraceId })
