import { DateTime, Effect } from "effect"
import { BrokerNotSent } from "./Broker.ts"

/** Now, unless the deadline is past: then the request must not go on, and its caller knows that it did not. */
export const checkDeadline = (deadline: DateTime.Utc): Effect.Effect<DateTime.Utc, BrokerNotSent> =>
  Effect.flatMap(DateTime.now, (now) =>
    DateTime.isGreaterThan(now, deadline)
      ? Effect.fail(
          new BrokerNotSent({
            code: "deadline",
            message: `Not sent: its deadline was ${DateTime.formatIso(deadline)}.`,
            retryAt: now
          })
        )
      : Effect.succeed(now)
  )
