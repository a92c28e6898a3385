import { Effect, Option, Result } from "effect"
import { TradingHours } from "../../config/TradingHours.ts"
import { type CalendarSource, readImports } from "../../domain/market/calendarSources.ts"
import { type CalendarImport, CalendarStore } from "../../stores/operations/CalendarStore.ts"
import { CommandFailed } from "./environment.ts"

export const isActive = ({ removedAt }: CalendarImport): boolean => removedAt === null

/** The imports of the trading calendar as they apply now, and the trading hours with them. Fails as a daemon does when one cannot be read. */
export const importsNow = Effect.gen(function* () {
  const hours = yield* TradingHours
  const { imports, revision } = yield* (yield* CalendarStore).read
  const read = readImports(imports.filter(isActive))
  if (Result.isFailure(read)) return yield* new CommandFailed({ message: read.failure })
  hours.take(read.success)
  return { hours, imports, imported: read.success, revision }
})

/** The trading calendar with what was imported until now; null when it is off, and the database is not asked. */
export const calendarNow = Effect.flatMap(TradingHours, (hours) =>
  hours.calendar() === null ? Effect.succeed(null) : Effect.map(importsNow, () => hours.calendar())
)

/** What the calendar would be made of with other imports, and is made of now. */
export const sourcesWithout = Effect.fnUntraced(function* (number: number) {
  const { imports } = yield* (yield* CalendarStore).read
  const hours = yield* TradingHours
  const sourcesOf = (some: ReadonlyArray<CalendarImport>): Option.Option<ReadonlyArray<CalendarSource>> =>
    Option.map(Result.getSuccess(readImports(some)), hours.sourcesWith)
  const active = imports.filter(isActive)
  return {
    isThere: active.some((one) => one.number === number),
    before: sourcesOf(active),
    after: sourcesOf(active.filter((one) => one.number !== number))
  }
})
