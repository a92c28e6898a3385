import { DateTime, Duration, Effect, Option, Result } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { Configuration } from "../../config/Configuration.ts"
import { isSplitAwaited, isWaitingForCalendar } from "../../domain/lifecycle/orderState.ts"
import { overAt, type UnsplitOrder, whyNoRetry } from "../../domain/lifecycle/retryOrder.ts"
import { validateArrival } from "../../domain/lifecycle/validateOrder.ts"
import { shellWord } from "../../domain/text/shellWord.ts"
import { OrderCommands, type OrderProgress } from "../../stores/orders/OrderCommands.ts"
import { CommandFailed, CommandLayer, json, optionalReason, print, warn } from "../shared/environment.ts"
import { maxIdLength, textArgument, waitFlag } from "../shared/flags.ts"
import { noSuchOrder } from "../shared/lookUp.ts"
import { as, askedFor } from "../shared/operator.ts"
import { untilOrder } from "../shared/untilOrder.ts"
import { timeText } from "../terminal/moments.ts"
import { planAt } from "./planCommand.ts"

export const retryCommand = Command.make(
  "retry",
  {
    orderId: textArgument("ID", maxIdLength).pipe(Argument.withDescription("The order's id")),
    start: Flag.Literals("start", ["now"]).pipe(
      Flag.withDescription("Have its window begin now; it began when the order was created if this is left out"),
      Flag.optional
    ),
    as,
    reason: optionalReason,
    wait: waitFlag(30, "For how many seconds to wait until it is split"),
    json
  },
  Effect.fnUntraced(function* (given) {
    const { orderId } = given
    const commands = yield* OrderCommands
    const cannot = (why: string) =>
      new CommandFailed({ message: `Order ${orderId} is not split again: ${why}. Nothing was changed.` })
    const found = yield* commands.unsplit(orderId)
    if (Option.isNone(found)) return yield* noSuchOrder(orderId)
    const order = found.value
    const now = yield* DateTime.now
    const refusal = whyNoRetry(order) ?? (yield* whyTooLate(order, Option.isSome(given.start), now))
    if (refusal !== null) return yield* cannot(refusal)
    const startsAt = Option.isSome(given.start) ? now : null
    if (!(yield* commands.retry(order, startsAt, yield* askedFor(given), now))) {
      return yield* cannot(`it changed at the same moment: see "order show ${shellWord(orderId)}"`)
    }
    const after = yield* untilOrder(orderId, Duration.seconds(given.wait), (order) => !isSplitAwaited(order))
    yield* print(given.json, after, retriedText)
    if (after.orderQueueStatus === "FAILED" || after.orderQueueStatus === "SKIPPED") {
      return yield* new CommandFailed({ message: `Order ${orderId} is ${after.state} again` })
    }
  }, Effect.provide(CommandLayer))
).pipe(
  Command.withDescription("Split an order after all whose split failed"),
  Command.withExamples([
    { command: 'order retry ORDER --reason "the list has it now"', description: "Within the window that it has" },
    { command: 'order retry ORDER --start now --reason "agreed"', description: "With a window that begins now" }
  ])
)

/** Why the order would only be SKIPPED; null if it would not. A plan that fails here is said, and left to the daemons. */
const whyTooLate = Effect.fnUntraced(function* (order: UnsplitOrder, startsNow: boolean, now: DateTime.Utc) {
  const { orderWindowGrace } = yield* Configuration
  const start = startsNow ? now : DateTime.makeUnsafe(order.startMillis)
  const valid = validateArrival(order)
  const failure = Result.isFailure(valid) ? valid.failure : null
  const plan = Result.isSuccess(valid) ? yield* planAt(valid.success, start) : null
  const problem = plan !== null && Result.isFailure(plan) ? plan.failure.text : failure
  if (problem !== null) yield* warn(`With the settings here it cannot be split: ${problem}`)
  if (plan === null || Result.isFailure(plan)) return null
  const over = overAt(plan.success, start, orderWindowGrace, now)
  return over === null
    ? null
    : `its window was over at ${timeText(over)} (UTC), so that it would be SKIPPED: --start now has the window begin now`
})

const retriedText = (order: OrderProgress): string => {
  const { orderId, orderQueueStatus, slices, statusReason } = order
  if (isWaitingForCalendar(order)) return `Order ${orderId} is PENDING: ${statusReason ?? "?"}`
  if (orderQueueStatus === "DONE") return `Order ${orderId} is split into ${slices} slices`
  return isSplitAwaited(order)
    ? `Order ${orderId} is ${orderQueueStatus}: no daemon has split it yet`
    : `Order ${orderId} is ${orderQueueStatus}: ${statusReason ?? "?"}`
}
