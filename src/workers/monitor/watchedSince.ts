import { DateTime, Duration } from "effect"
import type { Broker } from "../../broker/Broker.ts"

/** How long a slice whose outcome was unknown is still looked up, whatever its stage is by now. */
const watchPreviouslyInDoubt = Duration.days(1)

/** Slices that were in doubt since then are still looked up: the broker's order list may yet show an order for them. */
export const watchedSince = (broker: Broker["Service"], now: DateTime.Utc): DateTime.Utc =>
  DateTime.max(broker.orderListSince(now), DateTime.subtractDuration(now, watchPreviouslyInDoubt))
