import { Clock, Duration, Effect } from "effect"
import { Broker } from "../broker/Broker.ts"
import { Configuration } from "../config/Configuration.ts"
import { Wakeups } from "../db/Wakeups.ts"
import { isPausedUntil } from "../domain/lifecycle/pause.ts"
import { doAll } from "./monitor/doAll.ts"
import { makeFollowPlaced } from "./monitor/followPlaced.ts"
import { makeFollowQuotes } from "./monitor/followQuotes.ts"
import { makeRemind } from "./monitor/reminders.ts"
import { makeSettleHistory } from "./monitor/settleHistory.ts"
import { makeSweep } from "./monitor/sweep.ts"
import { Lookout } from "./supervision/Lookout.ts"
import { tick } from "./supervision/supervision.ts"
import { WorkerStatus } from "./supervision/WorkerStatus.ts"

/** The broker's order list is not read more often, however many hints the broker gives. */
const minPause = Duration.seconds(1)

/**
 * Monitors and recovers stuck or failed operations. The daemon runs it under `supervise`.
 *
 * - Orders stuck in IN_PROGRESS: `sweep` makes them PENDING for a retry, or FAILED after ORDER_SPLIT_MAX_ATTEMPTS, and logs
 *   each. It also skips slices whose window is over.
 * - Slices stuck in IN_PROGRESS, failed broker calls: `followPlaced` reconciles each with the broker's order list, logs it,
 *   and makes it PROCESSED, FAILED, SKIPPED, or SCHEDULED for a retry: the last only if the list proves that the placement
 *   had no effect. It follows broker orders that may still change, too.
 * - A database that has forgotten what it had committed: `settleHistory` finds it again in the broker's order list.
 * - Beside these, `followQuotes` keeps the quotes that limits need, and `remind` tells people what they must renew.
 *
 * A failure of one does not keep the others from running. `sweep` runs every TIMEOUT_MONITOR_POLL_INTERVAL_SECONDS,
 * `followPlaced` every BROKER_POLL_INTERVAL_SECONDS or sooner when the broker hints at a change, unless the lookout knows that
 * nothing waits for it.
 */
export const TimeoutMonitor = Effect.gen(function* () {
  const config = yield* Configuration
  const status = yield* WorkerStatus
  const broker = yield* Broker
  const wakeups = yield* Wakeups
  const lookout = yield* Lookout
  const followPlaced = lookout.unlessIdle("placed", yield* makeFollowPlaced)
  const sweep = yield* makeSweep
  const settleHistory = yield* makeSettleHistory
  const remind = yield* makeRemind
  const followQuotes = yield* makeFollowQuotes
  const sweepMillis = Duration.toMillis(config.timeoutMonitorPollInterval)
  let nextSweepMillis = 0

  const sweepWhenDue = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    if (isPausedUntil(now, nextSweepMillis, sweepMillis)) return
    yield* sweep
    nextSweepMillis = now + sweepMillis
  })

  const interval = Duration.min(config.brokerPollInterval, config.timeoutMonitorPollInterval)
  const pause = Duration.min(interval, minPause)
  const notePlaced = lookout.note("placed")
  const untilNext = Effect.raceAllFirst([
    Effect.sleep(Duration.subtract(interval, pause)),
    Effect.andThen(broker.changed, notePlaced),
    Effect.andThen(wakeups.next("placed"), notePlaced)
  ])
  const poll = tick(status, "monitor", doAll([followPlaced, settleHistory, sweepWhenDue, remind])).pipe(
    Effect.andThen(Effect.sleep(pause)),
    Effect.andThen(untilNext),
    Effect.forever
  )
  return yield* Effect.raceFirst(poll, followQuotes)
})
