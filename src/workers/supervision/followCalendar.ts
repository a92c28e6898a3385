import { Context, Effect, Layer, Result, Schema, Semaphore } from "effect"
import { PlacementGate } from "../../broker/PlacementGate.ts"
import type { ConfigurationError } from "../../config/Configuration.ts"
import { TradingHours } from "../../config/TradingHours.ts"
import type { DbError } from "../../db/DbError.ts"
import { Wakeups } from "../../db/Wakeups.ts"
import { readImports } from "../../domain/market/calendarSources.ts"
import { describeEnds, endsOf } from "../../domain/market/TradingCalendar.ts"
import { counted } from "../../domain/text/plural.ts"
import { logAndContinue } from "../../runtime/logAndContinue.ts"
import { CalendarStore } from "../../stores/operations/CalendarStore.ts"

/** What was imported into the trading calendar is not readable, so that nothing can be placed by it. */
export class CalendarUnreadable extends Schema.TaggedError<CalendarUnreadable>()("CalendarUnreadable", {
  message: Schema.String
}) {}

/**
 * Keeps {@link TradingHours} as the database has it. Invariant: nothing is placed with a poorer calendar than the database's. A
 * daemon that cannot read it does not start; one that cannot read a change closes its placement gate until it can. A change is
 * known by its notification at once, else by the next look of the lookout.
 */
export interface CalendarFollower {
  /** Takes note of the revision that a look has found. */
  readonly follow: (revision: number) => Effect.Effect<void>
}

/** Without {@link FollowCalendar} the calendar stays as it was at the start. */
export const CalendarFollower: Context.Reference<CalendarFollower> = Context.Reference<CalendarFollower>(
  "pulse-background/CalendarFollower",
  { defaultValue: () => ({ follow: () => Effect.void }) }
)

export const FollowCalendar: Layer.Layer<
  never,
  CalendarUnreadable | ConfigurationError | DbError,
  CalendarStore | PlacementGate | TradingHours | Wakeups
> = Layer.effect(
  CalendarFollower,
  Effect.gen(function* () {
    const hours = yield* TradingHours
    const wakeups = yield* Wakeups
    if (hours.calendar() === null) return { follow: () => Effect.void }
    const { load, taken } = yield* makeLoad
    yield* load
    yield* hours.checkFile
    const gate = yield* PlacementGate
    const close = ({ message }: CalendarUnreadable | DbError) =>
      gate.close("calendar", `a change of the trading calendar cannot be taken: ${message}`)
    const take = Effect.andThen(load, gate.open("calendar"))

    yield* Effect.andThen(wakeups.next("calendar"), take).pipe(
      Effect.catchTag("CalendarUnreadable", close),
      // What the database does not answer now, the next look will find.
      logAndContinue("Could not look for a change of the trading calendar"),
      Effect.forever,
      Effect.forkScoped
    )
    return {
      follow: (revision: number) => (revision === taken() ? Effect.void : take.pipe(Effect.catch(close)))
    }
  })
)

const makeLoad = Effect.gen(function* () {
  const hours = yield* TradingHours
  const store = yield* CalendarStore
  const oneAtATime = yield* Semaphore.make(1)
  let taken: number | null = null

  const load = Effect.gen(function* () {
    const { imports, revision } = yield* store.read
    if (revision === taken) return
    const read = readImports(imports.filter(({ removedAt }) => removedAt === null))
    if (Result.isFailure(read)) return yield* new CalendarUnreadable({ message: read.failure })
    hours.take(read.success)
    const calendar = hours.calendar()
    const ends = calendar === null ? "?" : describeEnds(endsOf(calendar))
    const known = `The trading days are known until ${ends}, with ${counted(read.success.length, "import")}`
    if (taken !== null && revision < taken) {
      yield* Effect.logError(
        `${known}: the database has lost changes of the calendar. See "calendar show", and make them again`
      )
    } else {
      yield* Effect.logInfo(known)
    }
    taken = revision
  }).pipe(Semaphore.withPermits(oneAtATime, 1))

  return { load, taken: () => taken }
})
