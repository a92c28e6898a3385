import { Effect } from "effect"
import { type BrokerError, BrokerOutcomeUnknown } from "../../domain/model/BrokerError.ts"

/** A broken connection: the caller cannot know whether the broker got the request. */
export const connectionReset = new BrokerOutcomeUnknown({
  code: "connection_reset",
  message: "The connection was reset."
})

/**
 * Makes the call and loses the broker's answer, an acknowledgement or a refusal. A request that was not sent has no answer to
 * lose: BrokerTryLater and BrokerCredentialsInvalid pass unchanged.
 */
export const loseAnswer = <A>(
  call: Effect.Effect<A, BrokerError>,
  lost: Effect.Effect<never, BrokerOutcomeUnknown>
): Effect.Effect<never, BrokerError> =>
  call.pipe(
    Effect.catchTag("BrokerRefused", () => lost),
    Effect.andThen(lost)
  )
