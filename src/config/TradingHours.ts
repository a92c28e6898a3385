import { Context, Effect, Layer, Option, Result } from "effect"
import { readFile } from "node:fs/promises"
import { readCalendarFile } from "../domain/market/calendarFile.ts"
import { announced } from "../domain/market/data/announced.ts"
import { builtInCalendar } from "../domain/market/data/builtInCalendar.ts"
import { calendarOf, type TradingCalendar } from "../domain/market/TradingCalendar.ts"
import { Configuration, ConfigurationError, isTradingCalendarOn } from "./Configuration.ts"

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
      yield* Effect.logInfo(`The trading days of all markets are known until ${calendar.until}`)
      return TradingHours.of({ calendar })
    })
  )
}

const withFile = Effect.fnUntraced(function* (path: string) {
  const json = yield* Effect.tryPromise({
    try: () => readFile(path, "utf8"),
    catch: (error) => invalid(path, [`cannot be read: ${error instanceof Error ? error.message : String(error)}`])
  })
  const announcements = yield* Effect.fromResult(
    Result.mapError(readCalendarFile(json, builtInCalendar.until), (problems) => invalid(path, problems))
  )
  return calendarOf([announced, announcements])
})

const invalid = (path: string, problems: ReadonlyArray<string>): ConfigurationError =>
  new ConfigurationError({ problems: problems.map((problem) => `TRADING_CALENDAR_FILE ${path}: ${problem}`) })
