import { Deferred, Effect, Option, Result, Stream } from "effect"
import type { Pool } from "./pool.ts"
import { answerTimeout, type TimeLimits } from "./timeLimits.ts"

/** What the payloads of echoes begin with, of every process that listens. */
const prefix = "echo "

/**
 * Proves that a listener hears, by a notification that another connection sends while the listener is idle. Behind a pooler in
 * transaction mode an idle listener has no session of the server, and hears nothing. `id` is a number of its own.
 */
export const makeEcho = ({ sql }: Pool, channel: string, id: number, { answering }: TimeLimits) => {
  const own = `${prefix}${id}`
  let expected: Deferred.Deferred<void> | undefined
  const note = (payload: string) =>
    expected !== undefined && payload === own ? Deferred.succeed(expected, undefined) : Effect.void
  return {
    /** The payloads without those of echoes; these are noted. */
    without: <E, R>(payloads: Stream.Stream<string, E, R>) =>
      payloads.pipe(
        Stream.tap(note),
        Stream.filter((payload) => !payload.startsWith(prefix))
      ),
    /** Asks for an echo. One that cannot be asked for in time proves nothing. */
    isHeard: Effect.gen(function* () {
      const heard = yield* Deferred.make<void>()
      expected = heard
      const asked = yield* Effect.result(answering("echo", sql`SELECT pg_notify(${channel}, ${own})`))
      return Result.isFailure(asked) || Option.isSome(yield* Effect.timeoutOption(Deferred.await(heard), answerTimeout))
    })
  }
}
