import { DateTime, Duration } from "effect"
import type { Broker } from "../../broker/Broker.ts"

/** So long after an outcome was unknown its order is still looked for, whatever became of the slice. */
const watchPreviouslyInDoubt = Duration.days(1)

/** From there on a doubt may still come to light in the broker's order list. */
export const watchedSince = (broker: Broker["Service"], now: DateTime.Utc): DateTime.Utc =>
  DateTime.max(broker.orderListSince(now), DateTime.subtractDuration(now, watchPreviouslyInDoubt))
