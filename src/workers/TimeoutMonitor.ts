import { Clock, Duration, Effect } from "effect"
import { Broker } from "../broker/Broker.ts"
import { Configuration } from "../config/Configuration.ts"
import { doAll } from "./monitor/doAll.ts"
import { makeFollowPlaced } from "./monitor/followPlaced.ts"
import { makeFollowQuotes } from "./monitor/followQuotes.ts"
import { makeRemind } from "./monitor/reminders.ts"
import { makeSweep } from "./monitor/sweep.ts"
import { tick } from "./supervision/supervision.ts"
import { WorkerStatus } from "./supervision/WorkerStatus.ts"

/** However many hints the broker gives, its order list is not read more often. */
const minPause = Duration.seconds(1)

/**
 * Recovers what is stuck and follows what was placed.
 *
 * - Orders stuck in IN_PROGRESS, slices that no executor will fire any more: `sweep`, every
 *   TIMEOUT_MONITOR_POLL_INTERVAL_SECONDS. They become PENDING again, FAILED or SKIPPED, and each is logged.
 * - Slices stuck in IN_PROGRESS, failed broker calls, broker orders that may still change: `followPlaced`, every
 *   BROKER_POLL_INTERVAL_SECONDS, or sooner when the broker hints at a change. A slice is placed again only after the
 *   broker's order list proved that its last placement had no effect.
 * - What only a person can renew: `remind`, once a day. Quotes, when a limit needs them: `followQuotes`.
 *
 * One of these that fails does not keep the others from being done. The daemon runs the monitor under `supervise`.
 */
export const TimeoutMonitor = Effect.gen(function* () {
  const config = yield* Configuration
  const status = yield* WorkerStatus
  const broker = yield* Broker
  const followPlaced = yield* makeFollowPlaced
  const sweep = yield* makeSweep
  const remind = yield* makeRemind
  const followQuotes = yield* makeFollowQuotes
  let nextSweepMillis = 0

  const sweepWhenDue = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    if (now < nextSweepMillis) return
    yield* sweep
    nextSweepMillis = now + Duration.toMillis(config.timeoutMonitorPollInterval)
  })

  const interval = Duration.min(config.brokerPollInterval, config.timeoutMonitorPollInterval)
  const pause = Duration.min(interval, minPause)
  const untilNext = Effect.raceFirst(Effect.sleep(Duration.subtract(interval, pause)), broker.changed)
  const poll = tick(status, "monitor", doAll([followPlaced, sweepWhenDue, remind])).pipe(
    Effect.andThen(Effect.sleep(pause)),
    Effect.andThen(untilNext),
    Effect.forever
  )
  return yield* Effect.raceFirst(poll, followQuotes)
})
