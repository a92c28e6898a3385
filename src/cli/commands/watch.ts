import { DateTime, Duration, Effect, Schedule } from "effect"
import type { DbError } from "../../db/DbError.ts"
import type { OrderProgress } from "../../stores/orders/OrderCommands.ts"
import { printJson, say } from "../shared/environment.ts"
import { drawOver } from "../terminal/output.ts"
import { isFinished, progressLine } from "../terminal/renderOrders.ts"

const refresh = Duration.millis(200)

/** Shows orders until all are finished: moving bars on a terminal, else a line whenever an order changes. */
export const watch = <R>(
  progress: Effect.Effect<ReadonlyArray<OrderProgress>, DbError, R>,
  asJson: boolean
): Effect.Effect<void, DbError, R> =>
  Effect.suspend(() => {
    const show = process.stdout.isTTY && !asJson ? makeBars() : makeLines(asJson)
    return progress.pipe(
      Effect.tap((orders) => Effect.flatMap(DateTime.now, (now) => show(orders, now))),
      Effect.repeat({ schedule: Schedule.spaced(refresh), until: (orders) => orders.every(isFinished) }),
      Effect.asVoid
    )
  })

type Show = (orders: ReadonlyArray<OrderProgress>, now: DateTime.Utc) => Effect.Effect<void>

const makeBars = (): Show => {
  let drawn = 0
  return (orders, now) => {
    const columns = process.stdout.columns || 100
    // Only lines that are on the screen can be drawn over.
    const shown = orders.slice(0, Math.max(1, (process.stdout.rows || 24) - 2))
    const lines = shown.map((order) => progressLine(order, now, columns))
    if (orders.length > shown.length) lines.push(`… and ${orders.length - shown.length} more`)
    const before = drawn
    drawn = lines.length
    return drawOver(before, lines)
  }
}

const makeLines = (asJson: boolean): Show => {
  const last = new Map<string, string>()
  return (orders, now) =>
    Effect.forEach(
      orders,
      (order) => {
        const key = JSON.stringify([order.state, order.processed, order.failed, order.skipped, order.filledQuantity])
        if (last.get(order.orderId) === key) return Effect.void
        last.set(order.orderId, key)
        return asJson
          ? printJson({ at: now, ...order }, null)
          : say(`${DateTime.formatIso(now)} ${progressLine(order, now, 200)}`)
      },
      { discard: true }
    )
}
