import { DateTime, Effect, Layer, Option, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { mockInstruments } from "../../broker/mock/mockInstruments.ts"
import { fetchInstruments } from "../../broker/zerodha/fetchInstruments.ts"
import type { InstrumentDump } from "../../broker/zerodha/instrumentDump.ts"
import { KiteClient } from "../../broker/zerodha/KiteClient.ts"
import { Configuration } from "../../config/Configuration.ts"
import { indianDay, isDay } from "../../domain/market/indianTime.ts"
import { InstrumentDetails, isExpired, nearestNames } from "../../domain/market/InstrumentDetails.ts"
import { counted } from "../../domain/text/plural.ts"
import { CredentialStore } from "../../stores/account/CredentialStore.ts"
import { InstrumentChangeStore } from "../../stores/account/InstrumentChangeStore.ts"
import { InstrumentStore } from "../../stores/account/InstrumentStore.ts"
import { makeHoldChanged } from "../../workers/monitor/holdChanged.ts"
import { CommandFailed, CommandLayer, json, print } from "../shared/environment.ts"
import { maxIdLength, textArgument, textFlag, wholeFlag } from "../shared/flags.ts"
import { table } from "../terminal/table.ts"

const InstrumentLayer = Layer.mergeAll(CredentialStore.layer, InstrumentChangeStore.layer, KiteClient.layer).pipe(
  Layer.provideMerge(CommandLayer)
)

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
    const now = yield* DateTime.now
    const replaced = yield* store
      .replaceAll(brokerType, instruments, now, {
        force: given.force,
        keep: refused.flatMap(({ mayBe }) => mayBe)
      })
      .pipe(
        Effect.catchTag("TooFewInstruments", ({ message }) =>
          Effect.fail(new CommandFailed({ message: `${message}. If that is right: "instruments sync --force"` }))
        )
      )
    const changes = yield* (yield* InstrumentChangeStore).since(now, maxChanges)
    const held = yield* Effect.flatten(makeHoldChanged)
    const named = refused.map(({ line, instrument, problem }) => ({ line, instrument, problem }))
    yield* print(
      given.json,
      { source: brokerType, ...replaced, leftOut, refused: named, changes: changes.length, held },
      ({ total, added, removed, kept }) => [
        `${total} instruments of the ${brokerType} broker: ${added} are new, ${removed} are gone`,
        ...(changes.length === 0
          ? []
          : [`${counted(changes.length, "change")} of instruments that were known: see "instruments changes"`]),
        ...held.map(
          (orderId) => `Order ${orderId} is on hold: its instrument is not what it was planned with any more`
        ),
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

/** The most changes that are counted or shown. */
const maxChanges = 10_000

const changes = Command.make(
  "changes",
  {
    since: textFlag("since", maxIdLength).pipe(
      Flag.filter(isDay, () => "a day such as 2026-12-01"),
      Flag.withDescription("The first day in India (the last seven days)"),
      Flag.optional
    ),
    limit: wholeFlag("limit", { minimum: 1, maximum: maxChanges }).pipe(
      Flag.withDescription("How many at most"),
      Flag.withDefault(1000)
    ),
    json
  },
  Effect.fnUntraced(function* (given) {
    const now = yield* DateTime.now
    const from = Option.match(given.since, {
      onNone: () => DateTime.subtract(now, { days: 7 }),
      onSome: (day) => DateTime.makeUnsafe(`${day}T00:00:00+05:30`)
    })
    const found = yield* (yield* InstrumentChangeStore).since(from, given.limit)
    const shown = found.map((change) => ({ day: indianDay(change.at), ...change }))
    yield* print(given.json, shown, () =>
      shown.length === 0
        ? "No list has said anything else than the one before it"
        : table(
            ["DAY (IST)", "INSTRUMENT", "WHAT", "BEFORE", "AFTER"],
            shown.map(({ after, before, day, instrument, what }) => [
              day,
              instrument,
              what,
              before ?? "–",
              after ?? (what === "symbol" ? "gone" : "–")
            ])
          )
    )
  }, Effect.provide(InstrumentLayer))
).pipe(Command.withDescription("List what the lists of instruments have said anew: lots, ticks, expiries, symbols"))

export const instrumentCommand = Command.make("instruments").pipe(
  Command.withDescription("What the broker lists: lots, ticks and expiries"),
  Command.withSubcommands([sync, show, status, changes])
)

const builtIn: InstrumentDump = { instruments: mockInstruments, leftOut: 0, refused: [] }

const download = fetchInstruments.pipe(
  Effect.catchTag("InstrumentsUnavailable", ({ message }) =>
    Effect.fail(new CommandFailed({ message: `The instruments were not synced, and nothing was changed: ${message}` }))
  )
)

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
