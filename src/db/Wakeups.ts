import { Context, Effect, Layer, Queue, Schedule, Stream } from "effect"
import { logAndContinue } from "../runtime/logAndContinue.ts"
import { Db } from "./Db.ts"
import { channel } from "./parameters.ts"

/**
 * The subjects of wake-ups: new orders, new slices, cancels of orders, halts and resumes, new access tokens, slices to look up at
 * the broker, rows of the audit to seal, changes of the trading calendar.
 */
const topics = ["orders", "slices", "cancels", "halts", "credentials", "placed", "audit", "calendar"] as const
export type Topic = (typeof topics)[number]

/**
 * Wakes workers before their next poll, by LISTEN and NOTIFY, and by what this process's lookout has seen. A wake-up is only a
 * hint: it may come for nothing, and a lost one costs at most the time until the next look. The stores notify in the statement
 * that makes the change; workers await a topic.
 */
export class Wakeups extends Context.Service<
  Wakeups,
  {
    /** Returns at the topic's next wake-up, or at once when there was one since the last await. */
    readonly next: (topic: Topic) => Effect.Effect<void>
    /** Wakes this process alone. What is no topic wakes nobody. */
    readonly wake: (topic: string) => Effect.Effect<void>
    /** Whether notifications are heard now. */
    readonly isListening: Effect.Effect<boolean>
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
        credentials: yield* Queue.sliding<void>(1),
        placed: yield* Queue.sliding<void>(1),
        audit: yield* Queue.sliding<void>(1),
        calendar: yield* Queue.sliding<void>(1)
      }
      let isListening = false
      const setListening = (is: boolean) =>
        Effect.sync(() => {
          isListening = is
        })
      const wake = (payload: string) => {
        const topic = topics.find((topic) => topic === payload)
        return topic === undefined ? Effect.void : Queue.offer(queues[topic], undefined)
      }

      // Notifications are lost while no connection listens, so every topic is woken once.
      const wakeAll = Effect.forEach(topics, wake, { discard: true })

      yield* Stream.unwrap(Effect.tap(db.listen(channel), Effect.andThen(setListening(true), wakeAll))).pipe(
        Stream.runForEach(wake),
        Effect.ensuring(setListening(false)),
        logAndContinue("Listening for notifications again, polling meanwhile"),
        Effect.repeat(Schedule.spaced("1 second")),
        Effect.forkScoped
      )

      return Wakeups.of({
        next: (topic) => Queue.take(queues[topic]),
        wake,
        isListening: Effect.sync(() => isListening)
      })
    })
  )
}
