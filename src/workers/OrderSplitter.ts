import { DateTime, Effect, Exit } from "effect"
import { Configuration, planningRules } from "../config/Configuration.ts"
import { TradingHours } from "../config/TradingHours.ts"
import { Wakeups } from "../db/Wakeups.ts"
import { Instance } from "../runtime/Instance.ts"
import { OrderStore } from "../stores/orders/OrderStore.ts"
import { makeSplitBatch } from "./splitter/splitBatch.ts"
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
  const instance = yield* Instance
  const { calendar } = yield* TradingHours
  const splitBatch = yield* makeSplitBatch

  // What is claimed is split or given back, whenever it is interrupted.
  return Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const claimed = yield* orders.claimPending({
        now: yield* DateTime.now,
        owner: instance.id,
        limit: config.orderSplitterBatchSize,
        windowGrace: calendar === null ? config.orderWindowGrace : null
      })
      if (claimed.length === 0) return 0
      yield* restore(splitBatch(claimed)).pipe(
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
