import { Clock, Context, DateTime, Duration, Effect, Layer, Ref } from "effect"
import { brokerIdentity } from "../../broker/brokerIdentity.ts"
import { PlacementGate } from "../../broker/PlacementGate.ts"
import { Configuration } from "../../config/Configuration.ts"
import { WorkerName } from "../../domain/model/WorkerName.ts"
import { Instance } from "../../runtime/Instance.ts"
import { type Beat, HeartbeatStore } from "../../stores/operations/HeartbeatStore.ts"
import { Telemetry } from "../../telemetry/Telemetry.ts"

/** How a worker has been doing since its start. `okAt` is when its last tick succeeded. */
export interface Pulse {
  readonly okAt: DateTime.Utc
  readonly ticks: number
  readonly failedTicks: number
  readonly lastError: string | null
  /** Why a healthy worker cannot do its work; null when nothing blocks it. */
  readonly blockedBy: string | null
}

type Pulses = Readonly<Record<WorkerName, Pulse>>

/** Heartbeats are written this often. */
export const heartbeatInterval = Duration.seconds(5)

/**
 * Counts the workers' ticks, as heartbeats, which the lookout writes to the database and `health` judges. It removes them after a
 * clean stop.
 */
export class WorkerStatus extends Context.Service<
  WorkerStatus,
  {
    readonly succeeded: (worker: WorkerName) => Effect.Effect<void>
    readonly failed: (worker: WorkerName, error: string) => Effect.Effect<void>
    /** Sets why a healthy worker cannot do its work; null when nothing blocks it. */
    readonly blocked: (worker: WorkerName, reason: string | null) => Effect.Effect<void>
    /** The heartbeats of now. */
    readonly beat: Effect.Effect<Beat>
  }
>()("pulse-background/WorkerStatus") {
  static readonly layer: Layer.Layer<WorkerStatus, never, Configuration | HeartbeatStore | PlacementGate | Instance> =
    Layer.effect(
      WorkerStatus,
      Effect.gen(function* () {
        const store = yield* HeartbeatStore
        const instance = yield* Instance
        const telemetry = yield* Telemetry
        const startedAt = yield* DateTime.now
        const first: Pulse = { okAt: startedAt, ticks: 0, failedTicks: 0, lastError: null, blockedBy: null }
        const pulses = yield* Ref.make<Pulses>({ splitter: first, executor: first, monitor: first })
        const beat = yield* makeBeat(pulses, startedAt)

        // A row that stays behind would look like a worker that hangs.
        yield* Effect.addFinalizer(() =>
          store.leave(instance).pipe(
            Effect.timeout("2 seconds"),
            Effect.catch((error) => Effect.logWarning(`Could not remove the heartbeats: ${error.message}`))
          )
        )

        const update = (worker: WorkerName, change: (pulse: Pulse) => Pulse) =>
          Ref.update(pulses, (all) => ({ ...all, [worker]: change(all[worker]) }))

        return WorkerStatus.of({
          beat,
          succeeded: (worker) =>
            Effect.flatMap(Clock.currentTimeMillis, (millis) => {
              telemetry.ticked(worker, true)
              return update(worker, (pulse) => ({
                ...pulse,
                okAt: DateTime.makeUnsafe(millis),
                ticks: pulse.ticks + 1
              }))
            }),
          failed: (worker, error) =>
            Effect.suspend(() => {
              telemetry.ticked(worker, false)
              return update(worker, (pulse) => ({
                ...pulse,
                ticks: pulse.ticks + 1,
                failedTicks: pulse.failedTicks + 1,
                lastError: error
              }))
            }),
          blocked: (worker, reason) => update(worker, (pulse) => ({ ...pulse, blockedBy: reason }))
        })
      })
    )
}

/** Builds the heartbeat, one row per worker. The executor is blocked by a closed placement gate. */
const makeBeat = Effect.fnUntraced(function* (pulses: Ref.Ref<Pulses>, startedAt: DateTime.Utc) {
  const config = yield* Configuration
  const instance = yield* Instance
  const gate = yield* PlacementGate
  const intervals: Readonly<Record<WorkerName, Duration.Duration>> = {
    splitter: config.orderSplitterPollInterval,
    executor: config.sliceExecutorPollInterval,
    monitor: Duration.min(config.brokerPollInterval, config.timeoutMonitorPollInterval)
  }

  return Effect.gen(function* (): Effect.fn.Return<Beat> {
    const all = yield* Ref.get(pulses)
    const closure = (yield* gate.current)?.reason ?? null
    return {
      instance,
      startedAt,
      broker: brokerIdentity(config),
      heartbeats: WorkerName.literals.map((worker) => {
        const { blockedBy, ...pulse } = all[worker]
        return {
          worker,
          ...pulse,
          hold: worker === "executor" ? closure : blockedBy,
          staleAfter: Duration.sum(Duration.times(intervals[worker], 3), Duration.times(heartbeatInterval, 3))
        }
      })
    }
  })
})
