import { DateTime, Duration, Effect, Option } from "effect"
import { Argument, Command } from "effect/cli"
import { shellWord } from "../../domain/text/shellWord.ts"
import { OrderCommands, type OrderProgress } from "../../stores/orders/OrderCommands.ts"
import { CommandFailed, CommandLayer, json, optionalReason, print, warn } from "../shared/environment.ts"
import { limitFlag, maxIdLength, textArgument, waitFlag } from "../shared/flags.ts"
import { getOrder } from "../shared/lookUp.ts"
import { as, askedFor } from "../shared/operator.ts"
import { agreed, approve } from "../shared/secondPerson.ts"
import { untilOrder } from "../shared/untilOrder.ts"
import { isFinished, orderDetails, orderTable } from "../terminal/renderOrders.ts"
import { amendCommand } from "./amendCommand.ts"
import { retryCommand } from "./retryCommand.ts"
import { submitCommand } from "./submitCommand.ts"
import { watch } from "./watch.ts"

const orderId = textArgument("ID", maxIdLength).pipe(Argument.withDescription("The order's id"))

const list = Command.make(
  "list",
  {
    limit: limitFlag,
    json
  },
  Effect.fnUntraced(function* (given) {
    const orders = yield* (yield* OrderCommands).list(given.limit)
    yield* print(given.json, orders, (orders) => (orders.length === 0 ? "There are no orders" : orderTable(orders)))
  }, Effect.provide(CommandLayer))
).pipe(Command.withDescription("List the newest orders"))

const show = Command.make(
  "show",
  { orderId, json },
  Effect.fnUntraced(function* (given) {
    const commands = yield* OrderCommands
    const order = yield* getOrder(given.orderId)
    const slices = yield* commands.slices(given.orderId, yield* DateTime.now)
    yield* print(given.json, { ...order, sliceList: slices }, () => orderDetails(order, slices))
  }, Effect.provide(CommandLayer))
).pipe(Command.withDescription("Show an order and its slices"))

const watchCommand = Command.make(
  "watch",
  { orderId: orderId.pipe(Argument.optional), json },
  Effect.fnUntraced(function* (given) {
    const commands = yield* OrderCommands
    if (Option.isSome(given.orderId)) {
      const id = given.orderId.value
      yield* getOrder(id)
      return yield* watch(Effect.map(commands.progress(id), Option.toArray), given.json)
    }
    const active = (yield* commands.list(100)).filter((order) => !isFinished(order)).map((order) => order.orderId)
    if (active.length === 0) return yield* print(given.json, active, () => "No order is active")
    const progress = Effect.forEach(active, (id) => commands.progress(id), { concurrency: 4 })
    return yield* watch(
      Effect.map(progress, (found) => found.flatMap(Option.toArray)),
      given.json
    )
  }, Effect.provide(CommandLayer))
).pipe(Command.withDescription("Watch an order, or all active ones, until nothing more will happen"))

const waitUntil = (what: string) => waitFlag(30, `For how many seconds to wait until ${what}`)

/** The order, unless it is finished, so that there is nothing left to do to it. */
const getUnfinished = Effect.fnUntraced(function* (orderId: string, what: "cancel" | "pause") {
  const order = yield* getOrder(orderId)
  if (!isFinished(order)) return order
  return yield* new CommandFailed({
    message: `Order ${orderId} is ${order.state} already: there is nothing to ${what}`
  })
})

const cancel = Command.make(
  "cancel",
  {
    orderId,
    as,
    reason: optionalReason,
    wait: waitUntil("no slice can be placed any more"),
    json
  },
  Effect.fnUntraced(function* (given) {
    const commands = yield* OrderCommands
    yield* getUnfinished(given.orderId, "cancel")
    yield* commands.requestCancel(given.orderId, yield* askedFor(given), yield* DateTime.now)
    const order = yield* untilUnplaceable(given.orderId, Duration.seconds(given.wait)).pipe(
      Effect.onInterrupt(() =>
        warn(
          `Interrupted. The cancel of order ${given.orderId} stands, but is not confirmed: slices that a daemon has ` +
            `claimed may still be placed. "order cancel ${shellWord(given.orderId)}" asks again and waits.`
        )
      )
    )
    yield* print(given.json, order, cancelText)
    if (order.scheduled + order.inProgress > 0) {
      return yield* new CommandFailed({
        message:
          `${order.inProgress} slices are still being placed or reconciled. The cancel stands: what turns out to be ` +
          `placed is cancelled at the broker. See "order show ${shellWord(given.orderId)}".`
      })
    }
  }, Effect.provide(CommandLayer))
).pipe(Command.withDescription("Cancel what an order has not placed yet, and its open broker orders"))

const pause = Command.make(
  "pause",
  {
    orderId,
    as,
    reason: optionalReason,
    wait: waitUntil("no slice is in a daemon's hands"),
    json
  },
  Effect.fnUntraced(function* (given) {
    const commands = yield* OrderCommands
    const before = yield* getUnfinished(given.orderId, "pause")
    if (!(yield* commands.pause(given.orderId, yield* askedFor(given), yield* DateTime.now))) {
      return yield* new CommandFailed({
        message: `Order ${given.orderId} is on hold already: ${before.holdReason ?? "since just now"}`
      })
    }
    const order = yield* untilQuiet(given.orderId, Duration.seconds(given.wait))
    yield* print(
      given.json,
      order,
      (order) =>
        `Order ${order.orderId} is on hold: ${order.scheduled} slices wait. Those whose window ends meanwhile are skipped; ` +
        `"order resume ${shellWord(order.orderId)}" lets it go on`
    )
    if (order.inProgress > 0) {
      return yield* new CommandFailed({
        message: `${order.inProgress} slices are still being placed or reconciled; no other one will be. See "order show ${shellWord(given.orderId)}".`
      })
    }
  }, Effect.provide(CommandLayer))
).pipe(Command.withDescription("Put an order on hold: place none of its slices until it is resumed"))

const resume = Command.make(
  "resume",
  { orderId, as, reason: optionalReason, approve, json },
  Effect.fnUntraced(function* (given) {
    const commands = yield* OrderCommands
    const { holdReason } = yield* getOrder(given.orderId)
    const asked =
      holdReason === null
        ? yield* askedFor(given)
        : yield* agreed(given, {
            command: "order resume",
            typed: `order resume ${shellWord(given.orderId)}`,
            orderId: given.orderId,
            what: { order: given.orderId, hold: holdReason }
          })
    if (!(yield* commands.resume(given.orderId, asked, yield* DateTime.now))) {
      return yield* new CommandFailed({ message: `Order ${given.orderId} is not on hold: nothing was changed` })
    }
    yield* print(
      given.json,
      yield* getOrder(given.orderId),
      (order) => `Order ${order.orderId} is ${order.state}; it was on hold because ${holdReason ?? "?"}`
    )
  }, Effect.provide(CommandLayer))
).pipe(Command.withDescription("Let an order go on that was paused, or that the service has put on hold"))

export const orderCommand = Command.make("order").pipe(
  Command.withDescription("Submit, look at, amend, cancel, pause, resume and retry orders"),
  Command.withSubcommands([submitCommand, list, show, watchCommand, amendCommand, cancel, pause, resume, retryCommand])
)

/** Waits until no slice of the order can lead to a new placement: from then on the cancel is certain. */
const untilUnplaceable = (id: string, timeout: Duration.Duration) =>
  untilOrder(id, timeout, (order) => order.scheduled + order.inProgress === 0)

/** Waits until no slice of the order is claimed: from then on the pause is certain. */
const untilQuiet = (id: string, timeout: Duration.Duration) =>
  untilOrder(id, timeout, (order) => order.inProgress === 0)

const cancelText = (order: OrderProgress): string =>
  `Order ${order.orderId} is ${order.state}: ${order.skipped} slices will not be placed, ` +
  `${order.processed} were placed (${order.filledQuantity} filled, ${order.open} still open at the broker)`
