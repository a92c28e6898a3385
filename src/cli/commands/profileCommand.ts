import { DateTime, Effect, Option, Result, Schema } from "effect"
import { Argument, Command } from "effect/cli"
import { Instrument } from "../../domain/model/Order.ts"
import { Profile } from "../../domain/model/shape.ts"
import { excerpt } from "../../domain/text/excerpt.ts"
import { PlanStore, type VolumeProfile } from "../../stores/orders/PlanStore.ts"
import { CommandFailed, CommandLayer, json, optionalReason, print } from "../shared/environment.ts"
import { maxIdLength, maxListLength, textArgument } from "../shared/flags.ts"
import { as, askedFor } from "../shared/operator.ts"
import { numbersOf } from "../shared/orderFlags.ts"
import { timeText } from "../terminal/moments.ts"
import { table } from "../terminal/table.ts"
import type { Lines } from "../terminal/text.ts"

const instrument = textArgument("INSTRUMENT", maxIdLength).pipe(
  Argument.withDescription("EXCHANGE:SYMBOL, such as NSE:RELIANCE")
)

const set = Command.make(
  "set",
  {
    instrument,
    volumes: textArgument("VOLUMES", maxListLength).pipe(
      Argument.withDescription("Volumes of equal parts of the trading day, such as 9,4,3,3,5")
    ),
    as,
    reason: optionalReason,
    json
  },
  Effect.fnUntraced(function* (given) {
    const instrument = Schema.decodeUnknownResult(Instrument)(given.instrument)
    if (Result.isFailure(instrument)) {
      return yield* new CommandFailed({ message: `INSTRUMENT ${instrument.failure.message}. Nothing was changed.` })
    }
    const volumes = Schema.decodeUnknownOption(Profile)(numbersOf(given.volumes))
    if (Option.isNone(volumes)) {
      return yield* new CommandFailed({
        message: `VOLUMES must be 1 to 1000 numbers above 0 with commas between, not ${excerpt(given.volumes, "nothing")}. Nothing was changed.`
      })
    }
    const profile = { instrument: instrument.success, volumes: volumes.value }
    yield* (yield* PlanStore).setVolumeProfile(profile, yield* askedFor(given), yield* DateTime.now)
    yield* print(
      given.json,
      profile,
      ({ instrument, volumes }) => `VWAP orders of ${instrument} follow these ${volumes.length} parts now`
    )
  }, Effect.provide(CommandLayer))
).pipe(Command.withDescription("Set how an instrument's volume is spread over its day"))

const list = Command.make(
  "list",
  { json },
  Effect.fnUntraced(function* (given) {
    const profiles = yield* (yield* PlanStore).volumeProfiles
    yield* print(given.json, profiles, profileTable)
  }, Effect.provide(CommandLayer))
).pipe(Command.withDescription("List the instruments with a profile of their own"))

const remove = Command.make(
  "remove",
  { instrument, as, reason: optionalReason, json },
  Effect.fnUntraced(function* (given) {
    const plans = yield* PlanStore
    if (!(yield* plans.removeVolumeProfile(given.instrument, yield* askedFor(given), yield* DateTime.now))) {
      return yield* new CommandFailed({ message: `${given.instrument} has no profile of its own: nothing was changed` })
    }
    yield* print(
      given.json,
      { instrument: given.instrument },
      ({ instrument }) => `VWAP orders of ${instrument} follow the built-in U-shape now`
    )
  }, Effect.provide(CommandLayer))
).pipe(Command.withDescription("Go back to the built-in profile"))

const profileTable = (profiles: ReadonlyArray<VolumeProfile>): Lines =>
  profiles.length === 0
    ? "No instrument has a profile of its own: VWAP orders follow the built-in U-shape"
    : table(
        ["INSTRUMENT", "PARTS", "VOLUMES", "SET (UTC)", "BY"],
        profiles.map(({ instrument, volumes, updatedAt, updatedBy }) => [
          instrument,
          String(volumes.length),
          volumes.length > 10 ? `${volumes.slice(0, 10).join(",")},…` : volumes.join(","),
          timeText(updatedAt),
          updatedBy
        ])
      )

export const profileCommand = Command.make("profile").pipe(
  Command.withDescription("The volume profiles that VWAP orders follow"),
  Command.withSubcommands([set, list, remove])
)
