import { DateTime, Effect, Layer, Option, Result, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { orderListSince } from "../../broker/orderListSince.ts"
import { Configuration } from "../../config/Configuration.ts"
import { indianMoment } from "../../domain/market/indianTime.ts"
import { BrokerOrderId } from "../../domain/model/Ids.ts"
import { Price } from "../../domain/model/Order.ts"
import { decimalText } from "../../domain/text/decimals.ts"
import { shellWord } from "../../domain/text/shellWord.ts"
import { type FoundOrder, SliceCommands, type SliceState } from "../../stores/slices/SliceCommands.ts"
import { CommandFailed, CommandLayer, json, print, reason, warningsOnStderr } from "../shared/environment.ts"
import { maxIdLength, textArgument, textFlag, wholeFlag } from "../shared/flags.ts"
import { getSlice } from "../shared/lookUp.ts"
import { as, askedFor } from "../shared/operator.ts"
import { agreed, approve, type Change } from "../shared/secondPerson.ts"
import { timeText } from "../terminal/moments.ts"

const SliceLayer = SliceCommands.layer.pipe(Layer.provideMerge(CommandLayer))

const slice = textArgument("SLICE", maxIdLength).pipe(
  Argument.withDescription('The slice: ORDER/NUMBER, as "order show ORDER" counts them, or its id, as logs have it')
)

const retry = Command.make(
  "retry",
  {
    slice,
    at: textFlag("at", maxIdLength).pipe(
      Flag.withDescription(
        "When to send it: HH:MM or HH:MM:SS in India, or 2026-11-24T14:30:00+05:30; now if left out"
      ),
      Flag.optional
    ),
    as,
    reason,
    json
  },
  Effect.fnUntraced(function* (given) {
    const now = yield* DateTime.now
    const before = yield* getSlice(given.slice)
    const at = yield* readMoment(given.at, now)
    const { brokerType, orderWindowGrace: windowGrace } = yield* Configuration
    const retried = yield* (yield* SliceCommands)
      .retry(
        before.id,
        { now, at, windowGrace, orderListSince: orderListSince[brokerType](now) },
        yield* askedFor(given)
      )
      .pipe(
        Effect.catchTag("CannotRetry", ({ reason }) =>
          Effect.fail(
            new CommandFailed({ message: `${nameOf(before)} is not sent again: ${reason}. Nothing was changed.` })
          )
        )
      )
    yield* print(
      given.json,
      { sliceId: before.id, orderId: before.orderId, sequenceNumber: before.sequenceNumber, ...retried },
      ({ isLookedUpFirst, notBefore, notAfter }) =>
        isLookedUpFirst
          ? `${nameOf(before)} may once have reached the broker: its order list is read first. If it is not there, the slice is sent, ` +
            `not before ${timeText(notBefore)} and not after ${timeText(notAfter)} (UTC)`
          : `${nameOf(before)} is SCHEDULED again, for ${timeText(notBefore)} (UTC); it was ${stateText(before)}`
    )
  }, Effect.provide(SliceLayer))
).pipe(
  Command.withDescription("Send a slice after all that was refused or skipped, and is certainly not at the broker"),
  Command.withExamples([
    { command: 'slice retry ORDER/3 --reason "margin is there now"', description: "Send the order's third slice now" },
    { command: 'slice retry ORDER/3 --at 14:30 --reason "after lunch"', description: "Or at half past two in India" }
  ])
)

const skip = Command.make(
  "skip",
  { slice, as, reason, json },
  Effect.fnUntraced(function* (given) {
    const slice = yield* getSlice(given.slice)
    const now = yield* DateTime.now
    if (!(yield* (yield* SliceCommands).skip(slice.id, yield* askedFor(given), now))) {
      // Read again: the slice may have been claimed in the meantime.
      const { isInDoubt, ...state } = yield* getSlice(slice.id)
      const isClaimed = state.stage === "IN_PROGRESS" && !isInDoubt
      return yield* new CommandFailed({
        message: `${nameOf(slice)} is ${stateText({ ...state, isInDoubt })}: nothing was changed${isClaimed ? claimedAdvice(state) : ""}`
      })
    }
    const { id: sliceId, orderId, sequenceNumber, stage: was } = slice
    yield* print(
      given.json,
      { sliceId, orderId, sequenceNumber, was },
      () => `${nameOf(slice)} is SKIPPED; it was ${stateText(slice)}`
    )
  }, Effect.provide(SliceLayer))
).pipe(Command.withDescription("Give up a slice that is scheduled, or of which nobody knows whether it was placed"))

const placed = Command.make(
  "placed",
  {
    slice,
    brokerOrderId: textArgument("BROKER_ORDER", maxIdLength).pipe(
      Argument.withDescription("The broker's id of the order")
    ),
    filled: wholeFlag("filled").pipe(
      Flag.withDescription("How much of it is filled for good; left out, the broker's order list is followed"),
      Flag.optional
    ),
    price: textFlag("price", maxIdLength).pipe(
      Flag.withDescription("The average price of what is filled"),
      Flag.optional
    ),
    as,
    reason,
    approve,
    json
  },
  Effect.fnUntraced(function* (given) {
    const slice = yield* getSlice(given.slice)
    const brokerOrderId = yield* readBrokerOrderId(given.brokerOrderId)
    const filled = Option.getOrNull(given.filled)
    const price = Option.match(given.price, { onNone: () => Result.succeed(null), onSome: readPrice })
    if (Result.isFailure(price)) return yield* new CommandFailed({ message: `--price ${price.failure.message}` })
    if (filled !== null && (filled < 0 || filled > slice.quantity)) {
      return yield* new CommandFailed({ message: `--filled must be from 0 to ${slice.quantity}, the slice's quantity` })
    }
    if ((filled ?? 0) > 0 !== (price.success !== null)) {
      return yield* new CommandFailed({ message: "--filled and --price belong together, unless nothing is filled" })
    }
    const order = {
      brokerOrderId,
      fill: filled === null ? null : { quantity: filled, price: price.success }
    }
    const owner = yield* (yield* SliceCommands).ownerOf(brokerOrderId)
    if (Option.isSome(owner) && owner.value !== slice.id) {
      return yield* new CommandFailed({
        message: `Broker order ${brokerOrderId} is that of slice ${owner.value}: nothing was changed`
      })
    }
    const asked = yield* agreed(given, placedChange(slice, order, given.reason))
    const write = (yield* SliceCommands).placed(slice.id, order, asked, yield* DateTime.now)
    if (!(yield* Effect.provide(write, warningsOnStderr))) {
      const isGivenUp = slice.stage === "FAILED" || slice.stage === "SKIPPED"
      return yield* new CommandFailed({
        message:
          slice.lostOrderId === null
            ? `${nameOf(slice)} is ${slice.stage}, not in doubt: nothing was changed` +
              (isGivenUp && filled === null
                ? ". If it was in doubt before, say with --filled what is filled of it for good"
                : "")
            : `${nameOf(slice)} has ${slice.lostOrderId}: give that, and --filled with no less than is known of it; nothing was changed`
      })
    }
    const { id: sliceId, orderId, sequenceNumber, stage: was } = slice
    yield* print(
      given.json,
      { sliceId, orderId, sequenceNumber, was, ...order },
      () => `${nameOf(slice)} is PROCESSED as ${brokerOrderId}`
    )
  }, Effect.provide(SliceLayer))
).pipe(Command.withDescription("Say which broker order a slice has, of which the service cannot know it"))

export const sliceCommand = Command.make("slice").pipe(
  Command.withDescription("Retry, skip and resolve single slices by hand"),
  Command.withSubcommands([retry, skip, placed])
)

/** The finding as a change that may need a second person. */
const placedChange = (
  { id, orderId, stage }: SliceState,
  { brokerOrderId, fill }: FoundOrder,
  reason: string
): Change => {
  const price = fill === null || fill.price === null ? null : decimalText(fill.price)
  const flags = [
    ...(fill === null ? [] : [`--filled ${fill.quantity}`]),
    ...(price === null ? [] : [`--price ${price}`]),
    `--reason ${shellWord(reason)}`
  ]
  return {
    command: "slice placed",
    typed: ["slice placed", shellWord(id), shellWord(brokerOrderId), ...flags].join(" "),
    orderId,
    sliceId: id,
    what: { slice: id, stage, broker_order_id: brokerOrderId, filled: fill?.quantity ?? null, price }
  }
}

const readBrokerOrderId = (text: string) =>
  Option.match(Schema.decodeUnknownOption(BrokerOrderId)(text.trim()), {
    onNone: () => Effect.fail(new CommandFailed({ message: "BROKER_ORDER is empty: nothing was changed" })),
    onSome: Effect.succeed
  })

const readPrice = Schema.decodeUnknownResult(Price)

const readMoment = (given: Option.Option<string>, now: DateTime.Utc) =>
  Option.match(given, {
    onNone: () => Effect.succeed(null),
    onSome: (text) =>
      Effect.mapError(
        Effect.fromOption(indianMoment(text, now)),
        () =>
          new CommandFailed({
            message: `--at must be like 14:30, 14:30:15 or 2026-11-24T14:30:00+05:30, not ${JSON.stringify(text)}. Nothing was changed.`
          })
      )
  })

const nameOf = ({ id, orderId, sequenceNumber }: SliceState): string => `Slice ${orderId}/${sequenceNumber} (${id})`

const stateText = ({
  isInDoubt,
  stage,
  stageReason
}: Pick<SliceState, "stage" | "stageReason" | "isInDoubt">): string =>
  [stage, ...(isInDoubt ? ["in doubt"] : []), ...(stageReason === null ? [] : [stageReason])].join(", ")

const claimedAdvice = ({ claimedBy, leaseExpiresAt, orderId }: Omit<SliceState, "isInDoubt">): string =>
  `. ${claimedBy ?? "A daemon"} has it in hand${leaseExpiresAt === null ? "" : `, until ${timeText(leaseExpiresAt)} (UTC) at the latest`}, ` +
  `and may be sending it. To have it back: "order pause ${shellWord(orderId)}", then skip it if it is SCHEDULED by then, and "order resume ${shellWord(orderId)}"`
