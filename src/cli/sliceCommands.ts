import { Console, DateTime, Effect, Layer, Option, Result, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { BrokerOrderId } from "../domain/Ids.ts"
import { Price } from "../domain/Order.ts"
import { SliceDesk } from "../stores/SliceDesk.ts"
import { CommandFailed, CommandLayer, operator, reason } from "./environment.ts"

const SliceLayer = SliceDesk.layer.pipe(Layer.provideMerge(CommandLayer))

const sliceId = Argument.String("SLICE").pipe(
  Argument.withDescription('The slice\'s id, as logs and "order show --json" have it')
)

const skip = Command.make(
  "skip",
  { sliceId, reason },
  Effect.fn("slice skip")(function* (given) {
    const slice = yield* find(given.sliceId)
    const now = yield* DateTime.now
    if (!(yield* (yield* SliceDesk).skip(slice.id, `skipped by ${operator()}: ${given.reason}`, now))) {
      return yield* new CommandFailed({ message: `Slice ${slice.id} is ${stageText(slice)}: nothing was changed` })
    }
    yield* Console.log(`Slice ${slice.id} is SKIPPED; it was ${stageText(slice)}`)
  }, Effect.provide(SliceLayer))
).pipe(Command.withDescription("Give up a slice that is scheduled, or of which nobody knows whether it was placed"))

const placed = Command.make(
  "placed",
  {
    sliceId,
    brokerOrderId: Argument.String("BROKER_ORDER").pipe(Argument.withDescription("The broker's id of the order")),
    filled: Flag.Int("filled").pipe(
      Flag.withDescription("How much of it is filled for good; left out, the broker's book is followed"),
      Flag.optional
    ),
    price: Flag.String("price").pipe(Flag.withDescription("The average price of what is filled"), Flag.optional),
    reason
  },
  Effect.fn("slice placed")(function* (given) {
    const slice = yield* find(given.sliceId)
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
    const owner = yield* (yield* SliceDesk).ownerOf(brokerOrderId)
    if (Option.isSome(owner) && owner.value !== slice.id) {
      return yield* new CommandFailed({
        message: `Broker order ${brokerOrderId} is that of slice ${owner.value}: nothing was changed`
      })
    }
    const text = `found by ${operator()}: ${given.reason}`
    if (!(yield* (yield* SliceDesk).placed(slice.id, order, text, yield* DateTime.now))) {
      return yield* new CommandFailed({
        message:
          slice.lostOrderId === null
            ? `Slice ${slice.id} is ${stageText(slice)}, not in doubt: nothing was changed`
            : `Slice ${slice.id} has ${slice.lostOrderId}: give that, and --filled with no less than is known of it; nothing was changed`
      })
    }
    yield* Console.log(`Slice ${slice.id} is PROCESSED as ${brokerOrderId}`)
  }, Effect.provide(SliceLayer))
).pipe(Command.withDescription("Say which broker order a slice has, of which the service cannot know it"))

export const sliceCommand = Command.make("slice").pipe(
  Command.withDescription("Settle single slices by hand"),
  Command.withSubcommands([skip, placed])
)

const readBrokerOrderId = (text: string) =>
  Option.match(Schema.decodeUnknownOption(BrokerOrderId)(text.trim()), {
    onNone: () => Effect.fail(new CommandFailed({ message: "BROKER_ORDER is empty: nothing was changed" })),
    onSome: Effect.succeed
  })

const readPrice = Schema.decodeUnknownResult(Price)

const find = Effect.fnUntraced(function* (id: string) {
  const slice = yield* (yield* SliceDesk).find(id, yield* DateTime.now)
  if (Option.isNone(slice)) return yield* new CommandFailed({ message: `There is no slice ${JSON.stringify(id)}` })
  return slice.value
})

const stageText = (slice: { readonly stage: string; readonly isInDoubt: boolean }): string =>
  slice.isInDoubt ? `${slice.stage}, in doubt` : slice.stage
