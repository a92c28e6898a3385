import { Effect, Exit } from "effect"
import { DatabaseClock } from "../../clock/DatabaseClock.ts"
import { Configuration } from "../../config/Configuration.ts"
import { TradingHours } from "../../config/TradingHours.ts"
import { type PlacementLimits, type Refusal, refusalToFire } from "../../domain/lifecycle/placement.ts"
import type { ClaimedSlice } from "../../domain/model/OrderSlice.ts"
import { nowMillis } from "../../runtime/nowMillis.ts"

/** What a placement is held against, as configured. */
export const placementLimits: Effect.Effect<PlacementLimits, never, Configuration | TradingHours> = Effect.gen(
  function* () {
    const config = yield* Configuration
    const { calendar } = yield* TradingHours
    return {
      brokerTimeout: config.brokerTimeout,
      preTrade: config.limits,
      calendar,
      marketPause: config.quotesPollInterval
    }
  }
)

/** No stop, halt or cancel ends the wait of a slice that is being fired. */
const maxEarlyMillis = 1000

/**
 * Asks at the moment of firing, by the database's clock, whether a claimed slice may go: null when it may, else what it
 * becomes. Waits for the due time when that is very near.
 */
export const makeRefusalNow = Effect.gen(function* () {
  const clock = yield* DatabaseClock
  const limits = yield* placementLimits

  const refusalNow = (slice: ClaimedSlice): Effect.Effect<Refusal | null> =>
    Effect.gen(function* () {
      const settled = yield* Effect.exit(clock.settle)
      if (Exit.isFailure(settled)) {
        const reason = "this host's clock jumped and the database could not be asked for the time"
        return { next: { _tag: "Rescheduled", reason, notBefore: null } }
      }
      const now = yield* nowMillis
      const refusal = refusalToFire(slice, now, limits)
      if (refusal !== "too early") return refusal
      const earlyMillis = slice.notBeforeMillis - now
      if (earlyMillis > maxEarlyMillis) {
        const reason = "given back: the database's clock was set back, and it is not due yet"
        return { next: { _tag: "Rescheduled", reason, notBefore: null } }
      }
      yield* Effect.sleep(earlyMillis)
      return yield* refusalNow(slice)
    })
  return refusalNow
})
