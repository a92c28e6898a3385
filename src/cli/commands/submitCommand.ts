import { DateTime, Effect, Option, Random, Result } from "effect"
import { Command, Flag } from "effect/cli"
import { waitingForCalendar } from "../../domain/market/orderTime.ts"
import { OrderCommands } from "../../stores/orders/OrderCommands.ts"
import { CommandFailed, CommandLayer, json, optionalReason, print } from "../shared/environment.ts"
import { as, askedFor } from "../shared/operator.ts"
import { orderFlags, orderOf } from "../shared/orderFlags.ts"
import { planAt } from "./planCommand.ts"

export const submitCommand = Command.make(
  "submit",
  {
    ...orderFlags,
    key: Flag.String("key").pipe(
      Flag.withDescription("The order's unique key: submitting the same order again with it gives the same order"),
      Flag.optional
    ),
    as,
    reason: optionalReason,
    json
  },
  Effect.fnUntraced(function* (given) {
    const commands = yield* OrderCommands
    const now = yield* DateTime.now
    const suffix = yield* randomSuffix
    const order = orderOf(given, idOf("o", now, suffix))
    const key = Option.getOrElse(given.key, () => idOf("k", now, suffix))
    if (key.trim() === "" || key.length > 200) {
      return yield* new CommandFailed({ message: "--key must have 1 to 200 characters. Nothing was submitted." })
    }
    if (Result.isFailure(order)) {
      return yield* new CommandFailed({ message: `The order is not valid, nothing was submitted. ${order.failure}` })
    }
    const plan = yield* planAt(order.success, now)
    // An order with a known key is not new, so limits do not apply to it.
    const waits = Result.isFailure(plan) && plan.failure.code === "calendar_ends" ? plan.failure : null
    if (Result.isFailure(plan) && waits === null && !(yield* commands.hasKey(key))) {
      return yield* new CommandFailed({ message: `Nothing was submitted: ${plan.failure.text}` })
    }
    const submitted = yield* commands.submit(
      {
        ...order.success,
        key,
        traceId: idOf("t", now, suffix),
        requestId: idOf("r", now, suffix)
      },
      yield* askedFor(given),
      now
    )
    const waitsBecause = waits === null ? {} : { waitsBecause: waitingForCalendar(waits).text }
    yield* print(given.json, { ...submitted, ...waitsBecause }, ({ orderId, isNew }) =>
      isNew
        ? `Submitted order ${orderId}${waits === null ? "" : `; ${waitingForCalendar(waits).text}`}`
        : `Order ${orderId} had this key already; it is the same order, nothing was added`
    )
  }, Effect.provide(CommandLayer))
).pipe(
  Command.withDescription("Submit an order"),
  Command.withExamples([
    {
      command: "order submit --instrument NSE:RELIANCE --side BUY --quantity 1000 --splits 10 --duration 60",
      description: "Buy 1000 in ten slices over an hour"
    }
  ])
)

const randomSuffix = Effect.map(Random.nextIntBetween(0, Number.MAX_SAFE_INTEGER), (number) =>
  number.toString(16).padStart(14, "0").slice(-12)
)

/** An id in the form that pulse-api uses: a letter, the Unix time in seconds, twelve hexadecimal digits. */
const idOf = (letter: string, now: DateTime.Utc, suffix: string): string =>
  `${letter}${Math.floor(DateTime.toEpochMillis(now) / 1000)}${suffix}`
