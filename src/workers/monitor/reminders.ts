import { DateTime, Duration, Effect, Option } from "effect"
import { Configuration } from "../../config/Configuration.ts"
import { TradingHours } from "../../config/TradingHours.ts"
import { isPausedUntil } from "../../domain/lifecycle/pause.ts"
import { isCalendarEnding, isListOld } from "../../domain/market/staleness.ts"
import { describeEnds, endsOf } from "../../domain/market/TradingCalendar.ts"
import { InstrumentStore } from "../../stores/account/InstrumentStore.ts"

const intervalMillis = Duration.toMillis(Duration.days(1))

/** Warns at the start and once a day of what a person must renew: the trading calendar and the list of instruments. */
export const makeRemind = Effect.gen(function* () {
  const { brokerType } = yield* Configuration
  const hours = yield* TradingHours
  const instruments = yield* InstrumentStore
  let nextMillis = 0

  return Effect.gen(function* () {
    const now = yield* DateTime.now
    if (isPausedUntil(DateTime.toEpochMillis(now), nextMillis, intervalMillis)) return
    const calendar = hours.calendar()
    if (calendar !== null && isCalendarEnding(endsOf(calendar), now)) {
      yield* Effect.logWarning(
        `The trading days are known until ${describeEnds(endsOf(calendar))} only, and nothing is placed after that: add the exchanges' next ` +
          "ones with: calendar import FILE"
      )
    }
    const list = brokerType === "zerodha" ? yield* instruments.status : Option.none()
    if (Option.isSome(list) && isListOld(list.value.syncedAt, now)) {
      yield* Effect.logWarning(
        `The list of instruments is of ${DateTime.formatIso(list.value.syncedAt)}: new expiries and changed lots are missing. ` +
          "Run: instruments sync"
      )
    }
    nextMillis = DateTime.toEpochMillis(now) + intervalMillis
  })
})
