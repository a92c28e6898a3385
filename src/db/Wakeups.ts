import { Context, Effect, Layer, Queue, Schedule, Stream } from "effect"
import { logAndContinue } from "../runtime/logAndContinue.ts"
import { Db } from "./Db.ts"
import { channel } from "./parameters.ts"

/** What the database can tell: new orders, new slices, a wish to cancel an order, a halt or its end, a new token. */
const topics = ["orders", "slices", "cancels", "halts", "credentials"] as const
export type Topic = (typeof topics)[number]

/**
 * Wakes workers before their next poll. A wake-up is a hint: it may come for nothing, and one that is lost costs a poll
 * interval, no more.
 */
export class Wakeups extends Context.Service<
  Wakeups,
  {
    /** Returns at the topic's next wake-up, or at once when there was one since the last await. */
    readonly next: (topic: Topic) => Effect.Effect<void>
  }
>()("pulse-background/Wakeups") {
  static readonly layer: Layer.Layer<Wakeups, never, Db> = Layer.effect(
    Wakeups,
    Effect.gen(function* () {
      const db = yield* Db
      const queues = {
        orders: yield* Queue.sliding<void>(1),
        slices: yield* Queue.sliding<void>(1),
        cancels: yield* Queue.sliding<void>(1),
        halts: yield* Queue.sliding<void>(1),
        credentials: yield* Queue.sliding<void>(1)
      }
      const wake = (payload: string) => {
        const topic = topics.find((topic) => topic === payload)
        return topic === undefined ? Effect.void : Queue.offer(queues[topic], undefined)
      }

      // Whatever was notified while nobody listened is lost: look at everything once.
      const wakeAll = Effect.forEach(topics, wake, { discard: true })

      yield* Stream.unwrap(Effect.tap(db.listen(channel), wakeAll)).pipe(
        Stream.runForEach(wake),
        logAndContinue("Listening for notifications again, polling meanwhile"),
        Effect.repeat(Schedule.spaced("1 second")),
        Effect.forkScoped
      )

      return Wakeups.of({ next: (topic) => Queue.take(queues[topic]) })
    })
  )
}
