import { DateTime, Duration, Effect, Option } from "effect"
import { Configuration } from "../../config/Configuration.ts"
import { TradingHours } from "../../config/TradingHours.ts"
import { isCalendarEnding, isListOld } from "../../domain/market/staleness.ts"
import { InstrumentStore } from "../../stores/account/InstrumentStore.ts"

const interval = Duration.days(1)

/** Warns at the start and once a day of what a person must renew: the trading calendar and the list of instruments. */
export const makeRemind = Effect.gen(function* () {
  const { brokerType } = yield* Configuration
  const { calendar } = yield* TradingHours
  const instruments = yield* InstrumentStore
  let next = DateTime.makeUnsafe(0)

  return Effect.gen(function* () {
    const now = yield* DateTime.now
    if (DateTime.isLessThan(now, next)) return
    if (calendar !== null && isCalendarEnding(calendar.until, now)) {
      yield* Effect.logWarning(
        `The trading days are known until ${calendar.until} only, and nothing is placed after that: add the exchanges' next ` +
          "ones with TRADING_CALENDAR_FILE"
      )
    }
    const list = brokerType === "zerodha" ? yield* instruments.status : Option.none()
    if (Option.isSome(list) && isListOld(list.value.syncedAt, now)) {
      yield* Effect.logWarning(
        `The list of instruments is of ${DateTime.formatIso(list.value.syncedAt)}: new expiries and changed lots are missing. ` +
          "Run: instruments sync"
      )
    }
    next = DateTime.addDuration(now, interval)
  })
})
