import { DateTime, Effect, Option } from "effect"
import { nearestNames } from "../../domain/market/InstrumentDetails.ts"
import { OrderCommands } from "../../stores/orders/OrderCommands.ts"
import { SliceCommands } from "../../stores/slices/SliceCommands.ts"
import { CommandFailed } from "./environment.ts"

/** The order with this id. Fails with a hint at what may have been meant. */
export const getOrder = Effect.fnUntraced(function* (id: string) {
  const commands = yield* OrderCommands
  const order = yield* commands.progress(id)
  if (Option.isSome(order)) return order.value
  return yield* noSuchOrder(id)
})

/** Fails, and names the order whose key, slice, tag or broker order has this id, or orders with similar ids. */
export const noSuchOrder = Effect.fnUntraced(function* (id: string) {
  const commands = yield* OrderCommands
  const owner = yield* commands.ownerOf(id)
  const hint = Option.isSome(owner)
    ? `. It is the ${owner.value.what} of order ${owner.value.orderId}`
    : `${similar(nearestNames(id, yield* commands.newestIds))}. "order list" shows the newest.`
  return yield* new CommandFailed({ message: `There is no order ${JSON.stringify(id)}${hint}` })
})

/** The slice with this id, or with this number in its order: `ORDER/NUMBER`. */
export const getSlice = Effect.fnUntraced(function* (name: string) {
  const commands = yield* SliceCommands
  const slice = yield* commands.find(name, yield* DateTime.now)
  if (Option.isSome(slice)) return slice.value
  const [, orderId] = /^(.+)\/\d+$/s.exec(name) ?? []
  if (orderId !== undefined) {
    const order = yield* getOrder(orderId)
    return yield* new CommandFailed({
      message: `Order ${order.orderId} has no slice ${name.slice(orderId.length + 1)}`
    })
  }
  const near = nearestNames(name, yield* commands.newestIds)
  return yield* new CommandFailed({
    message: `There is no slice ${JSON.stringify(name)}${similar(near)}. ORDER/NUMBER names one, too, as "order show ORDER" counts them.`
  })
})

const similar = (near: ReadonlyArray<string>): string => (near.length === 0 ? "" : `. Similar: ${near.join(", ")}`)
