import { DateTime, Effect, Exit } from "effect"
import { Configuration, planningRules } from "../config/Configuration.ts"
import { TradingHours } from "../config/TradingHours.ts"
import { answeredRows } from "../db/Readable.ts"
import { Wakeups } from "../db/Wakeups.ts"
import { endsOf } from "../domain/market/TradingCalendar.ts"
import { Instance } from "../runtime/Instance.ts"
import { OrderStore } from "../stores/orders/OrderStore.ts"
import { makeSplitBatch } from "./splitter/splitBatch.ts"
import { Lookout } from "./supervision/Lookout.ts"
import { tick } from "./supervision/supervision.ts"
import { WorkerStatus } from "./supervision/WorkerStatus.ts"

/**
 * Splits PENDING orders into slices.
 *
 * - Divides the total quantity into slices, calculates their times over the duration, randomizes both if configured:
 *   `planSplit`, the pure planner of src/domain/planning.
 * - Creates the slices and makes the order DONE: `writeSplits`, in one statement for many orders.
 *
 * An order is claimed before it is planned, and its slices are written only under that claim, so no order is split twice. An
 * invalid order becomes FAILED with its reason and does not hold up the others. The splitter wakes when an order row is
 * committed, and every ORDER_SPLITTER_POLL_INTERVAL_SECONDS; it asks the database unless the lookout knows that there are no
 * PENDING orders. The daemon runs it under `supervise`.
 */
export const OrderSplitter = Effect.gen(function* () {
  const config = yield* Configuration
  const status = yield* WorkerStatus
  const wakeups = yield* Wakeups
  const lookout = yield* Lookout
  const splitPending = Effect.tap(yield* makeSplitPending, (claimed) =>
    claimed > 0 ? lookout.note("slices") : Effect.void
  )
  const isFull = (claimed: number) => claimed === config.orderSplitterBatchSize
  const splitWhileFull = Effect.repeat(splitPending, { while: isFull })
  // One batch is planned while another is written. With a daily budget of the account both would count on the same rest of
  // the day, so they run one after the other.
  const concurrency = planningRules(config, null).rate === null ? 2 : 1
  // A failure of one does not end the other.
  const splitMany = Effect.forEach([splitWhileFull, splitWhileFull], (split) => Effect.exit(split), {
    concurrency
  }).pipe(Effect.flatMap(Exit.asVoidAll))

  return yield* tick(
    status,
    "splitter",
    lookout.unlessIdle(
      "orders",
      Effect.flatMap(splitPending, (claimed) => (isFull(claimed) ? splitMany : Effect.void))
    )
  ).pipe(
    Effect.andThen(
      Effect.raceFirst(
        Effect.andThen(wakeups.next("orders"), lookout.note("orders")),
        Effect.sleep(config.orderSplitterPollInterval)
      )
    ),
    Effect.forever
  )
})

/**
 * Claims one batch of PENDING orders and splits it; returns how many orders it claimed. After a full batch of the oldest orders
 * comes one of the newest, so that no order waits behind a flood of older ones.
 */
export const makeSplitPending = Effect.gen(function* () {
  const config = yield* Configuration
  const orders = yield* OrderStore
  const instance = yield* Instance
  const hours = yield* TradingHours
  const splitBatch = yield* makeSplitBatch
  let isNewestFirst = false

  // An interruption after the claim must not leave orders IN_PROGRESS: they are split, or given back.
  return Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const calendar = hours.calendar()
      const claimed = yield* orders.claimPending({
        now: yield* DateTime.now,
        owner: instance.id,
        limit: config.orderSplitterBatchSize,
        isNewestFirst,
        windowGrace: calendar === null ? config.orderWindowGrace : null,
        knownUntil: calendar === null ? null : endsOf(calendar)
      })
      const count = answeredRows(claimed)
      isNewestFirst = count === config.orderSplitterBatchSize && !isNewestFirst
      if (claimed.length === 0) return count
      yield* restore(splitBatch(claimed)).pipe(
        // Another splitter can take them at once instead of after the timeout. Orders that are DONE or FAILED stay so.
        Effect.onError(() =>
          Effect.flatMap(DateTime.now, (now) => orders.release(claimed, now)).pipe(
            Effect.catch((error) =>
              Effect.logWarning(`Orders could not be given back; the monitor does it later: ${error.message}`)
            )
          )
        )
      )
      return count
    })
  )
})
