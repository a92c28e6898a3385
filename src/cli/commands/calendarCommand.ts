import { DateTime, Effect, Layer, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { sharedSources } from "../../config/TradingHours.ts"
import { type Announcements, endsAfter, withOwnEnds } from "../../domain/market/Announcements.ts"
import {
  type CalendarChanges,
  changesBetween,
  contradictionsOf,
  leftOutOf
} from "../../domain/market/calendarChanges.ts"
import { calendarDays, daysOf } from "../../domain/market/calendarDays.ts"
import { doubtsOf } from "../../domain/market/calendarDoubts.ts"
import { indianDay } from "../../domain/market/indianTime.ts"
import { knownEnds } from "../../domain/market/TradingCalendar.ts"
import { type PerVenue, venueIds } from "../../domain/market/Venue.ts"
import { counted } from "../../domain/text/plural.ts"
import { downloadTimeout } from "../../http/downloadText.ts"
import { wayOutHttp } from "../../http/wayOut.ts"
import { CalendarStore } from "../../stores/operations/CalendarStore.ts"
import { importsNow, sourcesWithout } from "../shared/calendarNow.ts"
import { CommandFailed, CommandLayer, json, optionalReason, print } from "../shared/environment.ts"
import { maxIdLength, maxPathLength, textArgument, wholeArgument } from "../shared/flags.ts"
import { as, askedFor } from "../shared/operator.ts"
import { readCalendarSource } from "../shared/readCalendarSource.ts"
import { calendarText, changesText, dayText, monthText } from "../terminal/renderCalendar.ts"

const CalendarLayer = wayOutHttp(() => ({ keepAlive: false, connectTimeout: downloadTimeout })).pipe(
  Layer.provideMerge(CommandLayer)
)

const dryRun = Flag.Boolean("dry-run").pipe(
  Flag.withDescription("Only show what would change"),
  Flag.withDefault(false)
)

const isNoChange = ({ days, ends }: CalendarChanges): boolean => days.length === 0 && Object.keys(ends).length === 0

const fileOrUrl = textArgument("FILE|URL", maxPathLength)

const importCommand = Command.make(
  "import",
  {
    from: fileOrUrl.pipe(
      Argument.withDescription(
        "NSE's holiday-master, a broker's list of holidays, or our own form, as a file or at http(s)://"
      )
    ),
    dryRun,
    replace: Flag.Boolean("replace").pipe(
      Flag.withDescription("Take what contradicts the known calendar, too"),
      Flag.withDefault(false)
    ),
    as,
    reason: optionalReason,
    json
  },
  Effect.fnUntraced(function* (given) {
    const { imported, revision } = yield* importsNow
    const known = sharedSources(imported)
    const read = yield* readCalendarSource(given.from, known)
    const { form, remarks, source } = read
    const ends = knownEnds(known)
    const announcements = withOwnEnds(ends, read.announcements)
    const next = [...known, { ...announcements, source }]
    const now = yield* DateTime.now
    const contradictions = [...contradictionsOf(known, announcements), ...tooFar(announcements, now)]
    const doubts = new Set(doubtsOf(known, now))
    const found = {
      source,
      form,
      changes: changesBetween(known, next),
      contradictions,
      remarks: [
        ...remarks,
        ...doubtsOf(next, now).filter((doubt) => !doubts.has(doubt)),
        ...keptEnds(read.announcements, endsAfter(ends, announcements)),
        ...(form === "own" ? [] : leftOutOf(known, announcements).map((day) => `not in the list, and stays: ${day}`))
      ]
    }
    const isRefused = contradictions.length > 0 && !given.replace
    const isNothing = isNoChange(found.changes)
    const number =
      given.dryRun || isRefused || isNothing
        ? Option.none<number>()
        : yield* Effect.tap(
            (yield* CalendarStore).add({ source, form, announcements, revision }, yield* askedFor(given), now),
            (added) => (Option.isNone(added) ? hasChanged : Effect.void)
          )
    yield* print(given.json, { ...found, number: Option.getOrNull(number) }, ({ changes }) => [
      ...changesText(changes),
      ...contradictions.map((text) => `contradicts: ${text}`),
      ...found.remarks.map((text) => `note: ${text}`),
      isNothing
        ? `Nothing to change: the calendar has all that ${source} says`
        : Option.match(number, {
            onNone: () => "Nothing was changed",
            onSome: (number) => `Import ${number} of the trading calendar; daemons know it within seconds`
          })
    ])
    if (isRefused) {
      return yield* new CommandFailed({
        message:
          `${source} contradicts the known calendar in ${counted(contradictions.length, "place")}. Nothing was changed. ` +
          "If it is right: --replace"
      })
    }
  }, Effect.provide(CalendarLayer))
).pipe(Command.withDescription("Add the exchanges' announcements to the calendar of all daemons"))

/** Ends that no exchange has announced: its lists are of one year, at most the next. */
const tooFar = ({ until }: Announcements, now: DateTime.Utc): ReadonlyArray<string> => {
  const last = `${Number(indianDay(now).slice(0, 4)) + 1}-12-31`
  return Object.entries(typeof until === "object" ? until : {})
    .filter(([, end]) => end > last)
    .map(([market, end]) => `${market} until ${end}: no exchange has announced days after ${last} yet`)
}

/** The markets whose end the one day of a file is not. */
const keptEnds = ({ until }: Announcements, ends: PerVenue<string>): ReadonlyArray<string> =>
  typeof until !== "string"
    ? []
    : venueIds
        .filter((market) => ends[market] < until)
        .map((market) => `${market} stays known until ${ends[market]}, because no day after that is in the file`)

const hasChanged = Effect.fail(
  new CommandFailed({ message: "The calendar has changed meanwhile. Nothing was changed: look at it again" })
)

const remove = Command.make(
  "remove",
  {
    number: wholeArgument("NUMBER", { minimum: 1, maximum: 2_147_483_647 }).pipe(
      Argument.withDescription("Of an import, as calendar show lists them")
    ),
    dryRun,
    as,
    reason: optionalReason,
    json
  },
  Effect.fnUntraced(function* ({ number, ...given }) {
    const { after, before, isThere } = yield* sourcesWithout(number)
    if (!isThere) {
      return yield* new CommandFailed({ message: `There is no import ${number} to remove. See: calendar show` })
    }
    const changes = Option.isSome(before) && Option.isSome(after) ? changesBetween(before.value, after.value) : null
    if (!given.dryRun) {
      const asked = yield* askedFor(given)
      if (!(yield* (yield* CalendarStore).remove(number, asked, yield* DateTime.now))) return yield* hasChanged
    }
    yield* print(given.json, { number, isRemoved: !given.dryRun, changes }, () => [
      ...(changes === null ? ["What changes is not known, because not all imports can be read"] : changesText(changes)),
      given.dryRun ? "Nothing was changed" : `Import ${number} is removed; daemons know it within seconds`
    ])
  }, Effect.provide(CommandLayer))
).pipe(Command.withDescription("Undo an import"))

const show = Command.make(
  "show",
  {
    when: textArgument("DAY|MONTH", maxIdLength).pipe(
      Argument.withDescription("Such as 2026-12-24 or 2026-12 (today, the ends and the imports)"),
      Argument.optional
    ),
    market: Flag.Literals("market", venueIds).pipe(Flag.withDescription("One market only"), Flag.optional),
    json
  },
  Effect.fnUntraced(function* (given) {
    const { hours, imports } = yield* importsNow
    const sources = hours.sources()
    const today = indianDay(yield* DateTime.now)
    const when = Option.getOrElse(given.when, () => today)
    const days = daysOf(when)
    if (days === null) {
      return yield* new CommandFailed({ message: "Give a day such as 2026-12-24, or a month such as 2026-12" })
    }
    const markets = Option.match(given.market, { onNone: () => venueIds, onSome: (market) => [market] })
    const ends = knownEnds(sources)
    const shown = { isOn: hours.calendar() !== null, ends, imports, days: calendarDays(sources, markets, days) }
    yield* print(given.json, shown, ({ days, isOn }) => [
      ...(isOn ? [] : ["The trading calendar is off for this configuration: placements at any time", ""]),
      ...[days.length === markets.length ? dayText(days) : monthText(days, markets)].flat(),
      ...(Option.isSome(given.when) ? [] : ["", ...calendarText(ends, imports)])
    ])
  }, Effect.provide(CommandLayer))
).pipe(Command.withDescription("Show when the markets are open, and which announcement says so"))

const check = Command.make(
  "check",
  {
    files: fileOrUrl.pipe(
      Argument.withDescription("Compared with the calendar, day by day"),
      Argument.variadic({ max: 20 })
    ),
    json
  },
  Effect.fnUntraced(function* (given) {
    const { hours } = yield* importsNow
    const known = hours.sources()
    const doubts = doubtsOf(known, yield* DateTime.now)
    const files = yield* Effect.forEach(given.files, (from) =>
      Effect.map(readCalendarSource(from, known), ({ announcements, form, remarks, source }) => ({
        source,
        form,
        changes: changesBetween(known, [...known, { ...announcements, source }]),
        leftOut: form === "own" ? [] : leftOutOf(known, announcements),
        remarks
      }))
    )
    const found =
      doubts.length +
      files.reduce((sum, { changes, leftOut }) => sum + (isNoChange(changes) ? 0 : 1) + leftOut.length, 0)
    yield* print(given.json, { doubts, files }, () => [
      ...doubts.map((doubt) => `calendar: ${doubt}`),
      ...files.flatMap(({ changes, leftOut, remarks, source }) => [
        `${source}: ${isNoChange(changes) ? "differs in no day that it has" : "differs; AFTER is what it says"}`,
        ...changesText(changes).map((line) => `  ${line}`),
        ...leftOut.map((day) => `  not in the list: ${day}`),
        ...remarks.map((remark) => `  note: ${remark}`)
      ]),
      ...(found === 0 ? ["Nothing looks wrong"] : [])
    ])
    if (found > 0) return yield* new CommandFailed({ message: "The calendar has to be looked at" })
  }, Effect.provide(CalendarLayer))
).pipe(
  Command.withDescription("Say what looks wrong in the calendar, and where files differ from it; exit 1 if anything")
)

export const calendarCommand = Command.make("calendar").pipe(
  Command.withDescription("The trading days and hours of the markets"),
  Command.withSubcommands([importCommand, show, check, remove])
)
