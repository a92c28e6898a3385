import { DateTime, Effect, Layer, Option, Result, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { basename } from "node:path"
import { readTextFile } from "../../config/readTextFile.ts"
import { type FreezeChange, freezeChanges, isSuspicious } from "../../domain/limits/freezeChanges.ts"
import { freezeInForce, freezeOf } from "../../domain/limits/freezeLimits.ts"
import { builtInFreezeQuantities } from "../../domain/market/data/freezeQuantities.ts"
import { readFreezeFile } from "../../domain/market/freezeFile.ts"
import { FreezeExchange, FreezeQuantity } from "../../domain/market/FreezeQuantity.ts"
import { indianDay, isDay } from "../../domain/market/indianTime.ts"
import { Instrument } from "../../domain/model/Order.ts"
import { freezeFactsOf } from "../../domain/planning/freezeFacts.ts"
import { unknownInstrument } from "../../domain/planning/planOrder.ts"
import { excerpt } from "../../domain/text/excerpt.ts"
import { counted } from "../../domain/text/plural.ts"
import { FreezeStore, type StoredFreeze } from "../../stores/account/FreezeStore.ts"
import { InstrumentStore } from "../../stores/account/InstrumentStore.ts"
import { CommandFailed, CommandLayer, json, optionalReason, print } from "../shared/environment.ts"
import { maxIdLength, maxPathLength, textArgument, textFlag } from "../shared/flags.ts"
import { type As, as, askedFor } from "../shared/operator.ts"
import { timeText } from "../terminal/moments.ts"
import { freezeLine, shownFreeze } from "../terminal/renderFreeze.ts"
import { table } from "../terminal/table.ts"
import type { Lines } from "../terminal/text.ts"

const FreezeLayer = FreezeStore.layer.pipe(Layer.provideMerge(CommandLayer))

const putFlags = {
  since: textFlag("since", maxIdLength).pipe(
    Flag.filter(isDay, () => "a day such as 2026-12-01"),
    Flag.withDescription("The first day in India on which it applies (today)"),
    Flag.optional
  ),
  dryRun: Flag.Boolean("dry-run").pipe(
    Flag.withDescription("Show what would change, and change nothing"),
    Flag.withDefault(false)
  ),
  replace: Flag.Boolean("replace").pipe(
    Flag.withDescription("Take what is more than ten times, or less than a tenth, of what was before"),
    Flag.withDefault(false)
  ),
  as,
  reason: optionalReason,
  json
}

/** Far more than the exchange's file has: 213 lines. */
const maxBytes = 1_048_576

const importCommand = Command.make(
  "import",
  {
    file: textArgument("FILE", maxPathLength).pipe(
      Argument.withDescription(
        "The exchange's qtyfreeze.csv, or a CSV with exchange, underlying, quantity and maybe since"
      )
    ),
    exchange: Flag.Literals("exchange", FreezeExchange.literals).pipe(
      Flag.withDescription("Whose file it is, where the file does not say it"),
      Flag.withDefault("NFO")
    ),
    ...putFlags
  },
  Effect.fnUntraced(function* (given) {
    const refused = (problems: ReadonlyArray<string>) =>
      new CommandFailed({
        message: [`${given.file} is not a file of freeze quantities. Nothing was changed.`, ...problems]
      })
    const text = yield* Effect.mapError(readTextFile(given.file, maxBytes), (problem) => refused([`it ${problem}`]))
    const read = readFreezeFile(text, {
      exchange: given.exchange,
      since: yield* dayOf(given.since),
      source: basename(given.file)
    })
    if (Result.isFailure(read)) return yield* refused(read.failure)
    yield* put(read.success, "freeze import", given)
  }, Effect.provide(FreezeLayer))
).pipe(Command.withDescription("Store the freeze quantities of an exchange's file; daemons keep to them from then on"))

const set = Command.make(
  "set",
  {
    underlying: textArgument("UNDERLYING", maxIdLength).pipe(Argument.withDescription("With its exchange: NFO:NIFTY")),
    quantity: textArgument("QUANTITY", maxIdLength).pipe(
      Argument.withDescription("As an order counts it: units on NFO and BFO, lots on the others")
    ),
    ...putFlags
  },
  Effect.fnUntraced(function* (given) {
    const [exchange, underlying] = partsOf(given.underlying)
    const read = Schema.decodeUnknownResult(FreezeQuantity)({
      exchange,
      underlying,
      quantity: /^\d{1,15}$/.test(given.quantity) ? Number(given.quantity) : null,
      since: yield* dayOf(given.since),
      source: "freeze set"
    })
    if (Result.isFailure(read)) {
      return yield* new CommandFailed({
        message:
          `UNDERLYING must be one of ${FreezeExchange.literals.join(", ")}, a colon and a name, such as NFO:NIFTY, and QUANTITY a whole ` +
          `number from 1 to 2147483647, not ${excerpt(given.underlying, "nothing")} and ${excerpt(given.quantity, "nothing")}. Nothing was changed.`
      })
    }
    yield* put([read.success], "freeze set", given)
  }, Effect.provide(FreezeLayer))
).pipe(Command.withDescription("Store the freeze quantity of one underlying"))

/** Stores quantities, unless one looks wrong, and shows what changes. */
const put = Effect.fnUntraced(function* (
  quantities: ReadonlyArray<FreezeQuantity>,
  name: "freeze import" | "freeze set",
  given: {
    readonly as: As
    readonly dryRun: boolean
    readonly replace: boolean
    readonly json: boolean
    readonly reason: string
  }
) {
  const store = yield* FreezeStore
  const changes = freezeChanges(quantities, yield* store.all)
  const suspicious = changes.filter(isSuspicious)
  if (suspicious.length > 0 && !given.replace) {
    return yield* new CommandFailed({
      message: [
        "These are more than ten times, or less than a tenth, of those before. Nothing was changed; if they are right: --replace",
        ...suspicious.map(changeText)
      ]
    })
  }
  if (!given.dryRun) yield* store.put(quantities, name, yield* askedFor(given), yield* DateTime.now)
  const changed = changes.filter(({ before, quantity }) => before !== quantity)
  const shown = { isDryRun: given.dryRun, quantities: quantities.length, changed }
  yield* print(given.json, shown, () => [
    `${counted(quantities.length, "freeze limit")} ${given.dryRun ? "would be stored, nothing was changed" : "stored"}: ` +
      `${changed.filter(({ before }) => before === null).length} new, ` +
      `${changed.filter(({ before }) => before !== null).length} changed, ${changes.length - changed.length} as before`,
    ...changed.map(changeText)
  ])
})

const changeText = ({ exchange, underlying, since, before, quantity }: FreezeChange): string =>
  `  ${exchange}:${underlying} since ${since}: ${before ?? "not known"} → ${quantity}`

const dayOf = (since: Option.Option<string>) =>
  Effect.map(DateTime.now, (now) => Option.getOrElse(since, () => indianDay(now)))

const partsOf = (name: string): readonly [exchange: string, underlying: string] => {
  const colon = name.indexOf(":")
  return [name.slice(0, Math.max(0, colon)).toUpperCase(), name.slice(colon + 1).toUpperCase()]
}

const show = Command.make(
  "show",
  {
    name: textArgument("NAME", maxIdLength).pipe(
      Argument.withDescription(
        "An underlying such as NIFTY, or an instrument such as NFO:NIFTY26DECFUT; all if left out"
      ),
      Argument.optional
    ),
    json
  },
  Effect.fnUntraced(function* (given) {
    const name = Option.getOrNull(given.name)
    const instrument = Schema.decodeUnknownOption(Instrument)(name)
    if (Option.isSome(instrument) && !(yield* isUnderlying(instrument.value))) {
      const market = (yield* (yield* InstrumentStore).markets([instrument.value])).get(instrument.value)
      const facts = freezeFactsOf(market ?? unknownInstrument)
      const freeze = freezeOf(instrument.value, facts, yield* DateTime.now)
      return yield* print(given.json, shownFreeze(freeze, facts.details?.lotSize ?? 1), freezeLine)
    }
    const found = (yield* known).filter(
      ({ exchange, underlying }) =>
        name === null || [underlying, `${exchange}:${underlying}`].includes(name.toUpperCase())
    )
    if (found.length === 0) {
      return yield* new CommandFailed({
        message: `No freeze quantity is known of ${name}: "freeze import" and "freeze set" tell it`
      })
    }
    const today = indianDay(yield* DateTime.now)
    const shown = name === null ? found.filter((one) => freezeInForce(one, found, today)?.since === one.since) : found
    yield* print(given.json, shown, freezeTable)
  }, Effect.provide(FreezeLayer))
).pipe(
  Command.withDescription(
    "Show the freeze quantities in force, all that are known of one underlying, or an instrument's"
  )
)

/** Everything that is known, an imported quantity in place of the built-in one of its day. */
const known = Effect.gen(function* () {
  const imported = yield* (yield* FreezeStore).all
  const keyOf = ({ exchange, underlying, since }: FreezeQuantity) => `${exchange}:${underlying} ${since}`
  const replaced = new Set(imported.map(keyOf))
  const builtIn = builtInFreezeQuantities
    .filter((one) => !replaced.has(keyOf(one)))
    .map((one): ShownQuantity => ({ ...one, importedAt: null, importedBy: null }))
  return [...builtIn, ...imported].toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
})

const isUnderlying = (name: string) =>
  Effect.map(known, (all) => all.some(({ exchange, underlying }) => `${exchange}:${underlying}` === name))

type ShownQuantity = Omit<StoredFreeze, "importedAt" | "importedBy"> & {
  /** Null if it is built in. */
  readonly importedAt: DateTime.Utc | null
  readonly importedBy: string | null
}

const freezeTable = (quantities: ReadonlyArray<ShownQuantity>): Lines =>
  table(
    ["UNDERLYING", "QUANTITY", "SINCE", "SOURCE", "IMPORTED (UTC)", "BY"],
    quantities.map(({ exchange, underlying, quantity, since, source, importedAt, importedBy }) => [
      `${exchange}:${underlying}`,
      String(quantity),
      since,
      source,
      importedAt === null ? "–" : timeText(importedAt),
      importedBy ?? "–"
    ])
  )

export const freezeCommand = Command.make("freeze").pipe(
  Command.withDescription("The largest quantities that the exchanges take in one order"),
  Command.withSubcommands([importCommand, set, show])
)
