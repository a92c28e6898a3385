import { DateTime, Effect, Option, Random, Result } from "effect"
import { Command, Flag } from "effect/cli"
import { Configuration } from "../Configuration.ts"
import { breachesOfOrder } from "../domain/preTradeLimits.ts"
import { validateOrder } from "../domain/validateOrder.ts"
import { OrderDesk } from "../stores/OrderDesk.ts"
import { CommandFailed, CommandLayer, json, print } from "./environment.ts"

export const submitCommand = Command.make(
  "submit",
  {
    instrument: Flag.String("instrument").pipe(Flag.withDescription("EXCHANGE:SYMBOL, such as NSE:RELIANCE")),
    side: Flag.Literals("side", ["BUY", "SELL"]).pipe(Flag.withDescription("BUY or SELL")),
    quantity: Flag.Int("quantity").pipe(Flag.withDescription("How much in all")),
    splits: Flag.Int("splits").pipe(Flag.withDescription("Into how many slices, 1 to 1000")),
    duration: Flag.Int("duration").pipe(Flag.withDescription("Over how many minutes, 0 to 1440")),
    randomize: Flag.Boolean("randomize").pipe(
      Flag.withDescription("Vary the slices' sizes and times (--no-randomize: all alike)"),
      Flag.withDefault(true)
    ),
    key: Flag.String("key").pipe(
      Flag.withDescription("The order's unique key: submitting the same order again with it gives the same order"),
      Flag.optional
    ),
    type: Flag.Literals("type", ["MARKET", "LIMIT"]).pipe(
      Flag.withDescription("Order type"),
      Flag.withDefault("MARKET")
    ),
    limitPrice: Flag.String("limit-price").pipe(Flag.withDescription("Needed for LIMIT"), Flag.optional),
    product: Flag.Literals("product", ["CNC", "MIS", "NRML"]).pipe(
      Flag.withDescription("Product type"),
      Flag.withDefault("CNC")
    ),
    validity: Flag.Literals("validity", ["DAY", "IOC"]).pipe(
      Flag.withDescription("Validity of each broker order"),
      Flag.withDefault("DAY")
    ),
    lateness: Flag.Literals("lateness", ["send", "skip", "respread"]).pipe(
      Flag.withDescription("What becomes of slices that could not be sent in time"),
      Flag.withDefault("send")
    ),
    maxLateness: Flag.Int("max-lateness").pipe(
      Flag.withDescription("How many seconds late a slice may be before it is skipped or spread anew (60)"),
      Flag.optional
    ),
    cancelUnfilledAfter: Flag.Int("cancel-unfilled-after").pipe(
      Flag.withDescription("Cancel what is not filled of a slice so many seconds after it was placed"),
      Flag.optional
    ),
    json
  },
  Effect.fn("order submit")(function* (given) {
    const desk = yield* OrderDesk
    const now = yield* DateTime.now
    const suffix = yield* randomSuffix
    const order = validateOrder({
      id: idOf("o", now, suffix),
      instrument: given.instrument,
      side: given.side,
      totalQuantity: given.quantity,
      numSplits: given.splits,
      durationMinutes: given.duration,
      randomize: given.randomize,
      orderType: given.type,
      limitPrice: Option.getOrNull(given.limitPrice),
      productType: given.product,
      validity: given.validity,
      latenessPolicy: given.lateness.toUpperCase(),
      maxLatenessSeconds: Option.getOrNull(given.maxLateness),
      cancelUnfilledAfterSeconds: Option.getOrNull(given.cancelUnfilledAfter)
    })
    const key = Option.getOrElse(given.key, () => idOf("k", now, suffix))
    if (key.trim() === "" || key.length > 200) {
      return yield* new CommandFailed({ message: "--key must have 1 to 200 characters. Nothing was submitted." })
    }
    if (Result.isFailure(order)) {
      return yield* new CommandFailed({ message: `The order is not valid, nothing was submitted. ${order.failure}` })
    }
    const breaches = breachesOfOrder(
      { ...order.success, quantity: order.success.totalQuantity, price: order.success.limitPrice },
      (yield* Configuration).limits
    )
    if (breaches.length > 0) {
      return yield* new CommandFailed({ message: `Nothing was submitted: ${breaches.join("; ")}` })
    }
    const submitted = yield* desk.submit(
      {
        ...order.success,
        key,
        traceId: idOf("t", now, suffix),
        requestId: idOf("r", now, suffix)
      },
      now
    )
    yield* print(given.json, submitted, ({ orderId, isNew }) =>
      isNew
        ? `Submitted order ${orderId}`
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

/** Ids in the form that pulse-api uses: a letter, the Unix time in seconds, twelve hexadecimal digits. */
const idOf = (letter: string, now: DateTime.Utc, suffix: string): string =>
  `${letter}${Math.floor(DateTime.toEpochMillis(now) / 1000)}${suffix}`
