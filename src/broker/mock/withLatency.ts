import { Duration, Effect, Layer } from "effect"
import { seededRandom } from "../../domain/planning/schedule/SeededRandom.ts"
import { Broker } from "../Broker.ts"
import { checkDeadline } from "../deadline.ts"

export interface LatencyOptions {
  /** Of a whole call, request and answer. */
  readonly latency: Duration.Duration
  /** The largest deviation from the latency, to either side. */
  readonly jitter: Duration.Duration
  readonly seed: string
}

/**
 * Delays every call: half of the latency before it arrives and half before its answer, success or not. A placement whose
 * deadline passes before it arrives is not made.
 */
export const withLatency = (options: LatencyOptions): Layer.Layer<Broker, never, Broker> =>
  Layer.effect(
    Broker,
    Effect.gen(function* () {
      const below = yield* Broker
      const random = seededRandom(`${options.seed}\nlatency`)
      const latencyMillis = Duration.toMillis(options.latency)
      const jitterMillis = Duration.toMillis(options.jitter)

      const delayed = <A, E, E2>(onArrival: Effect.Effect<unknown, E2>, call: Effect.Effect<A, E>) =>
        Effect.suspend(() => {
          const totalMillis = Math.max(0, Math.round(latencyMillis + jitterMillis * (2 * random() - 1)))
          const thereMillis = Math.floor(totalMillis / 2)
          return Effect.gen(function* () {
            yield* Effect.sleep(thereMillis)
            yield* onArrival
            const answer = yield* Effect.exit(call)
            yield* Effect.sleep(totalMillis - thereMillis)
            return yield* answer
          })
        })

      return Broker.of({
        ...below,
        place: (placement) => delayed(checkDeadline(placement.deadline), below.place(placement)),
        findByTag: (tags) => delayed(Effect.void, below.findByTag(tags)),
        quotes: (instruments) => delayed(Effect.void, below.quotes(instruments)),
        cancel: (brokerOrderId) => delayed(Effect.void, below.cancel(brokerOrderId))
      })
    })
  )
