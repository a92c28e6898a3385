import { Clock, Duration, Effect, Schedule } from "effect"
import type { OrderProgress } from "../../stores/orders/OrderCommands.ts"
import { getOrder } from "./lookUp.ts"

/** Waits until the order is as asked, or the time is over; returns it as it is then. */
export const untilOrder = Effect.fnUntraced(function* (
  id: string,
  timeout: Duration.Duration,
  isRight: (order: OrderProgress) => boolean
) {
  const deadline = (yield* Clock.currentTimeMillis) + Duration.toMillis(timeout)
  return yield* getOrder(id).pipe(
    Effect.repeat({
      schedule: Schedule.spaced("200 millis"),
      while: (order) => Effect.map(Clock.currentTimeMillis, (now) => now < deadline && !isRight(order))
    })
  )
})
