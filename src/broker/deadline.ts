import { DateTime, Effect } from "effect"
import { LatestTime } from "../clock/DatabaseClock.ts"
import { BrokerNotSent } from "../domain/model/BrokerError.ts"

/**
 * Now, unless the deadline may be past: then the request must not go on, and its caller knows that it did not. The host may
 * have been suspended since its caller looked at the time.
 */
export const checkDeadline = (deadline: DateTime.Utc): Effect.Effect<DateTime.Utc, BrokerNotSent> =>
  Effect.gen(function* () {
    const now = yield* DateTime.now
    const latestMillis = yield* yield* LatestTime
    if (latestMillis <= DateTime.toEpochMillis(deadline)) return now
    return yield* new BrokerNotSent({
      code: "deadline",
      message: `Not sent: its deadline was ${DateTime.formatIso(deadline)}.`,
      retryAt: now
    })
  })
