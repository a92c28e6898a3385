import { Effect, Result } from "effect"
import { TradingHours } from "../../config/TradingHours.ts"
import { readImports } from "../../domain/market/calendarSources.ts"
import { CalendarStore } from "../../stores/operations/CalendarStore.ts"
import { CommandFailed } from "./environment.ts"

/** The trading hours with what was imported until now. Fails as a daemon does when an import cannot be read. */
export const hoursNow = Effect.gen(function* () {
  const hours = yield* TradingHours
  const { imports } = yield* (yield* CalendarStore).read
  const read = readImports(imports.filter(({ removedAt }) => removedAt === null))
  if (Result.isFailure(read)) return yield* new CommandFailed({ message: read.failure })
  hours.take(read.success)
  return hours
})

/** The trading calendar with what was imported until now; null when it is off, and the database is not asked. */
export const calendarNow = Effect.flatMap(TradingHours, (hours) =>
  hours.calendar() === null ? Effect.succeed(null) : Effect.map(hoursNow, (now) => now.calendar())
)
