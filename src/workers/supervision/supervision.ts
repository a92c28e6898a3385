import { Cause, Clock, Duration, Effect, Ref, Schema } from "effect"
import type { WorkerName } from "../../domain/model/WorkerName.ts"
import { summary } from "../../runtime/logAndContinue.ts"
import type { WorkerStatus } from "./WorkerStatus.ts"

/** A worker died so often that the process ends, to be restarted by its supervisor. */
export class WorkerKeepsDying extends Schema.TaggedError<WorkerKeepsDying>()("WorkerKeepsDying", {
  worker: Schema.String,
  deaths: Schema.Int,
  lastCause: Schema.String
}) {
  override get message(): string {
    return `The ${this.worker} died ${this.deaths} times within ${Duration.format(deathWindow)}; the last time: ${this.lastCause}`
  }
}

const maxDeaths = 5
const deathWindow = Duration.minutes(5)
const firstPause = Duration.seconds(1)

/**
 * Runs one tick of a worker in its own error boundary: a failure or defect is logged and counted, and the worker continues.
 * Only an interruption passes through.
 */
export const tick = <A, E, R>(status: WorkerStatus["Service"], name: WorkerName, effect: Effect.Effect<A, E, R>) =>
  effect.pipe(
    Effect.matchCauseEffect({
      onSuccess: () => status.succeeded(name),
      onFailure: (cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.interrupt
          : Effect.logError("A tick failed; the next one follows", summary(cause)).pipe(
              Effect.andThen(status.failed(name, summary(cause)))
            )
    })
  )

/**
 * Restarts a worker that dies, after a pause that doubles each time. After {@link maxDeaths} deaths within {@link deathWindow}
 * it fails with WorkerKeepsDying.
 */
export const supervise = Effect.fnUntraced(function* <E, R>(name: WorkerName, run: Effect.Effect<never, E, R>) {
  const deaths = yield* Ref.make<ReadonlyArray<number>>([])
  return yield* run.pipe(
    Effect.catchCause((cause) =>
      Effect.gen(function* () {
        if (Cause.hasInterruptsOnly(cause)) return yield* Effect.interrupt
        const now = yield* Clock.currentTimeMillis
        const recent = yield* Ref.updateAndGet(deaths, (all) => [
          ...all.filter((at) => now - at < Duration.toMillis(deathWindow)),
          now
        ])
        if (recent.length >= maxDeaths) {
          return yield* new WorkerKeepsDying({ worker: name, deaths: recent.length, lastCause: summary(cause) })
        }
        const pause = Duration.times(firstPause, 2 ** (recent.length - 1))
        yield* Effect.logError(`The ${name} died and is started again in ${Duration.format(pause)}`, summary(cause))
        yield* Effect.sleep(pause)
      })
    ),
    Effect.forever,
    Effect.annotateLogs("worker", name)
  )
})
