import { Context, Effect, Layer, Queue, Schedule, Stream } from "effect"
import { logAndContinue } from "../runtime/logAndContinue.ts"
import { Db } from "./Db.ts"
import { channel } from "./parameters.ts"

/** The subjects of wake-ups: new orders, new slices, cancels of orders, halts and resumes, new access tokens. */
const topics = ["orders", "slices", "cancels", "halts", "credentials"] as const
export type Topic = (typeof topics)[number]

/**
 * Wakes workers before their next poll, by LISTEN and NOTIFY. A wake-up is only a hint: it may come for nothing, and a lost
 * one costs at most a poll interval. The stores notify in the statement that makes the change; workers await a topic.
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

      // Notifications are lost while no connection listens, so every topic is woken once.
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
