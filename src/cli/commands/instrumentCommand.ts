import { DateTime, Effect, Layer, Option, Result, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { mockInstruments } from "../../broker/mock/mockInstruments.ts"
import { downloadInstruments, type InstrumentDump } from "../../broker/zerodha/instrumentDump.ts"
import { KiteClient } from "../../broker/zerodha/KiteClient.ts"
import { tokenOfCommand, zerodha } from "../../broker/zerodha/kiteTokens.ts"
import { Configuration } from "../../config/Configuration.ts"
import { indianDay } from "../../domain/market/indianTime.ts"
import { InstrumentDetails, isExpired, nearestNames } from "../../domain/market/InstrumentDetails.ts"
import { counted } from "../../domain/text/plural.ts"
import { CredentialStore } from "../../stores/account/CredentialStore.ts"
import { InstrumentStore } from "../../stores/account/InstrumentStore.ts"
import { CommandFailed, CommandLayer, json, print } from "../shared/environment.ts"
import { maxIdLength, textArgument } from "../shared/flags.ts"

const InstrumentLayer = Layer.mergeAll(CredentialStore.layer, KiteClient.layer).pipe(Layer.provideMerge(CommandLayer))

const sync = Command.make(
  "sync",
  {
    force: Flag.Boolean("force").pipe(
      Flag.withDescription("Take a list with under half as many instruments as there are, too"),
      Flag.withDefault(false)
    ),
    json
  },
  Effect.fnUntraced(function* (given) {
    const { brokerType } = yield* Configuration
    const { instruments, leftOut, refused } = yield* brokerType === "zerodha" ? download : Effect.succeed(builtIn)
    const store = yield* InstrumentStore
    const replaced = yield* store
      .replaceAll(brokerType, instruments, yield* DateTime.now, {
        force: given.force,
        keep: refused.flatMap(({ mayBe }) => mayBe)
      })
      .pipe(
        Effect.catchTag("TooFewInstruments", ({ message }) =>
          Effect.fail(new CommandFailed({ message: `${message}. If that is right: "instruments sync --force"` }))
        )
      )
    const named = refused.map(({ line, instrument, problem }) => ({ line, instrument, problem }))
    yield* print(
      given.json,
      { source: brokerType, ...replaced, leftOut, refused: named },
      ({ total, added, removed, kept }) => [
        `${total} instruments of the ${brokerType} broker: ${added} are new, ${removed} are gone`,
        ...(leftOut === 0 ? [] : [`${leftOut} lines were left out: indices and others that no order can be for`]),
        ...(named.length === 0
          ? []
          : [
              `${counted(named.length, "line")} cannot be read; what was known of ${counted(kept, "instrument")} stays as it was:`,
              ...named.map(({ line, instrument, problem }) => `  line ${line}, ${instrument ?? "no name"}: ${problem}`)
            ])
      ]
    )
  }, Effect.provide(InstrumentLayer))
).pipe(Command.withDescription("Get the broker's list of instruments anew; Zerodha makes one every morning"))

const show = Command.make(
  "show",
  { instrument: textArgument("INSTRUMENT", maxIdLength).pipe(Argument.withDescription("Such as NSE:INFY")), json },
  Effect.fnUntraced(function* (given) {
    const store = yield* InstrumentStore
    const details = (yield* store.find([given.instrument])).get(given.instrument)
    if (details === undefined) return yield* unknown(given.instrument)
    const today = indianDay(yield* DateTime.now)
    const shown = { ...encode(details), isExpired: isExpired(details, today) }
    yield* print(given.json, shown, instrumentText)
  }, Effect.provide(InstrumentLayer))
).pipe(
  Command.withDescription("Show an instrument's lot, tick and expiry; exit 1, with similar names, if there is none")
)

const status = Command.make(
  "status",
  { json },
  Effect.fnUntraced(function* (given) {
    const found = yield* (yield* InstrumentStore).status
    if (Option.isNone(found)) return yield* noList
    yield* print(
      given.json,
      found.value,
      ({ count, source, syncedAt }) =>
        `${count} instruments of the ${source} broker, synced at ${DateTime.formatIso(syncedAt)}`
    )
  }, Effect.provide(InstrumentLayer))
).pipe(Command.withDescription("Say how many instruments are known, and since when; exit 1 if there are none"))

export const instrumentCommand = Command.make("instruments").pipe(
  Command.withDescription("What the broker lists: lots, ticks and expiries"),
  Command.withSubcommands([sync, show, status])
)

const builtIn: InstrumentDump = { instruments: mockInstruments, leftOut: 0, refused: [] }

const download = Effect.gen(function* () {
  const config = yield* Configuration
  const stored = yield* (yield* CredentialStore).token(zerodha)
  const token = tokenOfCommand(stored, config.zerodhaAccessToken, yield* DateTime.now)
  if (Result.isFailure(token)) return yield* notSynced(token.failure)
  return yield* downloadInstruments(token.success).pipe(
    Effect.catchTag("BrokerCredentialsInvalid", ({ message }) =>
      notSynced(`Zerodha does not accept the access token (${message}). Renew it: "zerodha login"`)
    ),
    Effect.catchTag(["BrokerTryLater", "KiteUnanswered"], ({ message }) =>
      notSynced(`Zerodha's list could not be got: ${message}. Try again later`)
    ),
    Effect.catchTag("InstrumentDumpInvalid", ({ message }) => notSynced(`${message}. Try again later`))
  )
})

const notSynced = (why: string) =>
  Effect.fail(new CommandFailed({ message: `The instruments were not synced, and nothing was changed: ${why}` }))

const noList = Effect.fail(new CommandFailed({ message: 'No instruments are known yet: "instruments sync" gets them' }))

const unknown = Effect.fnUntraced(function* (instrument: string) {
  const store = yield* InstrumentStore
  if (Option.isNone(yield* store.status)) return yield* noList
  const near = nearestNames(instrument, yield* store.candidates(instrument))
  return yield* new CommandFailed({
    message: `There is no instrument ${instrument}` + (near.length === 0 ? "" : `. Similar: ${near.join(", ")}`)
  })
})

const encode = Schema.encodeSync(InstrumentDetails)

type Shown = typeof InstrumentDetails.Encoded & { readonly isExpired: boolean }

const instrumentText = (shown: Shown): ReadonlyArray<string> => [
  `${shown.instrument}${shown.name === "" ? "" : `: ${shown.name}`}`,
  `${shown.instrumentType}, segment ${shown.segment}, token ${shown.token}`,
  `lot ${shown.lotSize}, tick ${shown.tickSize}` +
    (shown.lastPrice === null ? "" : `, last price when the list was made ${shown.lastPrice}`),
  ...(shown.expiry === null ? [] : [`${shown.isExpired ? "EXPIRED on" : "trades until"} ${shown.expiry}`])
]
