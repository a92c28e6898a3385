import { DateTime, Effect } from "effect"
import { LatestTime } from "../clock/DatabaseClock.ts"
import { BrokerNotSent } from "../domain/model/BrokerError.ts"

/**
 * Returns the current time, or fails with BrokerNotSent if the deadline may have passed. The latest possible time counts,
 * because the host may have been suspended since the caller read its clock.
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
