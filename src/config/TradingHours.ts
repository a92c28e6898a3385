import { Context, Effect, Layer, Option, Result } from "effect"
import { daysTooLate, readCalendarFile } from "../domain/market/calendarFile.ts"
import type { CalendarSource } from "../domain/market/calendarSources.ts"
import { announced } from "../domain/market/data/announced.ts"
import { builtInCalendar } from "../domain/market/data/builtInCalendar.ts"
import { calendarOf, endsOf, type TradingCalendar } from "../domain/market/TradingCalendar.ts"
import { Configuration, ConfigurationError, isTradingCalendarOn } from "./Configuration.ts"
import { readTextFile } from "./readTextFile.ts"

/**
 * The trading calendar of all venues: the built-in announcements, then what people imported into the database, then
 * TRADING_CALENDAR_FILE. Whoever reads the database gives it the imports (`followCalendar` in a daemon), at the start and after each
 * change.
 */
export class TradingHours extends Context.Service<
  TradingHours,
  {
    /**
     * The calendar at this moment; null when it is off, and slices may be due at any time. To be asked at each use, because an import
     * replaces it while the service runs.
     */
    readonly calendar: () => TradingCalendar | null
    /** What it is made of, in the order in which it applies, also when it is off. */
    readonly sources: () => ReadonlyArray<CalendarSource>
    /** What it would be made of with other imports. */
    readonly sourcesWith: (imported: ReadonlyArray<CalendarSource>) => ReadonlyArray<CalendarSource>
    /** Takes these imports instead of those before. */
    readonly take: (imported: ReadonlyArray<CalendarSource>) => void
    /** Fails if TRADING_CALENDAR_FILE has days after the ends that are known with it. */
    readonly checkFile: Effect.Effect<void, ConfigurationError>
  }
>()("pulse-background/TradingHours") {
  /** A calendar that no import changes; null when it is off. */
  static readonly fixed = (calendar: TradingCalendar | null): TradingHours["Service"] =>
    TradingHours.of({
      calendar: () => calendar,
      sources: () => [],
      sourcesWith: () => [],
      take: () => {},
      checkFile: Effect.void
    })

  /** Fails with every problem of TRADING_CALENDAR_FILE, because a misread holiday must not become a trading day. */
  static readonly layer: Layer.Layer<TradingHours, ConfigurationError, Configuration> = Layer.effect(
    TradingHours,
    Effect.suspend(() => make)
  )
}

const builtIn: CalendarSource = { ...announced, source: "built in" }

const make = Effect.gen(function* () {
  const config = yield* Configuration
  const isOn = isTradingCalendarOn(config)
  const file = yield* Effect.transposeOption(
    Option.map(isOn ? config.tradingCalendarFile : Option.none(), (path) =>
      Effect.map(readFile(path), (source) => ({ path, source }))
    )
  )
  const sourcesWith = (imported: ReadonlyArray<CalendarSource>) => [
    builtIn,
    ...imported,
    ...Option.toArray(Option.map(file, ({ source }) => source))
  ]
  let sources: ReadonlyArray<CalendarSource> = []
  let calendar: TradingCalendar | null = null
  const take = (imported: ReadonlyArray<CalendarSource>) => {
    sources = sourcesWith(imported)
    if (isOn) calendar = sources.length === 1 ? builtInCalendar : calendarOf(sources)
  }
  take([])
  return TradingHours.of({
    calendar: () => calendar,
    sources: () => sources,
    sourcesWith,
    take,
    checkFile: Effect.suspend(() => {
      if (Option.isNone(file)) return Effect.void
      const { path, source } = file.value
      const problems = daysTooLate(source, endsOf(calendarOf(sources.slice(0, -1))))
      return problems.length === 0 ? Effect.void : Effect.fail(invalid(path, problems))
    })
  })
})

/** Far more than a year of announcements has. */
const maxBytes = 1_048_576

const readFile = Effect.fnUntraced(function* (path: string) {
  const json = yield* Effect.mapError(readTextFile(path, maxBytes), (problem) => invalid(path, [problem]))
  const announcements = yield* Effect.fromResult(
    Result.mapError(readCalendarFile(json, null), (problems) => invalid(path, problems))
  )
  return { ...announcements, source: "TRADING_CALENDAR_FILE" }
})

/** The problems of the file that are named one by one. */
const maxNamed = 50

const invalid = (path: string, problems: ReadonlyArray<string>): ConfigurationError => {
  const more = problems.length > maxNamed ? [`there are ${problems.length - maxNamed} more problems`] : []
  const named = [...problems.slice(0, maxNamed), ...more]
  return new ConfigurationError({ problems: named.map((problem) => `TRADING_CALENDAR_FILE ${path}: ${problem}`) })
}
