import { Context, Effect, Layer, Option, Result } from "effect"
import { readCalendarFile } from "../domain/market/calendarFile.ts"
import { announced } from "../domain/market/data/announced.ts"
import { builtInCalendar } from "../domain/market/data/builtInCalendar.ts"
import { calendarOf, describeEnds, endsOf, type TradingCalendar } from "../domain/market/TradingCalendar.ts"
import { Configuration, ConfigurationError, isTradingCalendarOn } from "./Configuration.ts"
import { readTextFile } from "./readTextFile.ts"

/** The trading calendar of all venues; null when it is off, and slices may be due at any time. */
export class TradingHours extends Context.Service<TradingHours, { readonly calendar: TradingCalendar | null }>()(
  "pulse-background/TradingHours"
) {
  /** Fails with every problem of TRADING_CALENDAR_FILE, because a misread holiday must not become a trading day. */
  static readonly layer: Layer.Layer<TradingHours, ConfigurationError, Configuration> = Layer.effect(
    TradingHours,
    Effect.gen(function* () {
      const config = yield* Configuration
      if (!isTradingCalendarOn(config)) return TradingHours.of({ calendar: null })
      const calendar = yield* Option.match(config.tradingCalendarFile, {
        onNone: () => Effect.succeed(builtInCalendar),
        onSome: withFile
      })
      yield* Effect.logInfo(`The trading days of all markets are known until ${describeEnds(endsOf(calendar))}`)
      return TradingHours.of({ calendar })
    })
  )
}

/** Far more than a year of announcements has. */
const maxBytes = 1_048_576

const withFile = Effect.fnUntraced(function* (path: string) {
  const json = yield* Effect.mapError(readTextFile(path, maxBytes), (problem) => invalid(path, [problem]))
  const announcements = yield* Effect.fromResult(
    Result.mapError(readCalendarFile(json, endsOf(builtInCalendar)), (problems) => invalid(path, problems))
  )
  return calendarOf([announced, announcements])
})

/** The problems of the file that are named one by one. */
const maxNamed = 50

const invalid = (path: string, problems: ReadonlyArray<string>): ConfigurationError => {
  const more = problems.length > maxNamed ? [`there are ${problems.length - maxNamed} more problems`] : []
  const named = [...problems.slice(0, maxNamed), ...more]
  return new ConfigurationError({ problems: named.map((problem) => `TRADING_CALENDAR_FILE ${path}: ${problem}`) })
}
