import { Effect } from "effect"
import { DatabaseClock } from "../../clock/DatabaseClock.ts"
import { Configuration, sessionMargins } from "../../config/Configuration.ts"
import { TradingHours } from "../../config/TradingHours.ts"
import {
  clockUnknown,
  type PlacementLimits,
  type Refusal,
  refusalToFire,
  whenEarly
} from "../../domain/lifecycle/placement.ts"
import type { ClaimedSlice } from "../../domain/model/OrderSlice.ts"
import { nowMillis } from "../../runtime/nowMillis.ts"

/** The limits of a placement, as configured and with the calendar of the moment at which they are asked for. */
export const placementLimits: Effect.Effect<() => PlacementLimits, never, Configuration | TradingHours> = Effect.gen(
  function* () {
    const config = yield* Configuration
    const hours = yield* TradingHours
    const configured = {
      brokerTimeout: config.brokerTimeout,
      preTrade: config.limits,
      margins: sessionMargins(config),
      marketPause: config.quotesPollInterval
    }
    return () => ({ ...configured, calendar: hours.calendar() })
  }
)

/**
 * Decides at the moment of firing, by the database's clock, whether a claimed slice may go: null if it may, else what the
 * slice becomes. If the due time is less than a second away it waits for it.
 */
export const makeRefusalNow = Effect.gen(function* () {
  const clock = yield* DatabaseClock
  const limits = yield* placementLimits

  const refusalAt = (slice: ClaimedSlice, now: number): Effect.Effect<Refusal | null> => {
    const refusal = refusalToFire(slice, now, limits())
    if (refusal !== "too early") return Effect.succeed(refusal)
    const early = whenEarly(slice, now)
    return typeof early === "number"
      ? Effect.andThen(clock.sleepUntil(slice.notBeforeMillis), refusalNow(slice))
      : Effect.succeed(early)
  }

  const whenAsked = (slice: ClaimedSlice): Effect.Effect<Refusal | null> =>
    Effect.matchEffect(clock.waitForOffset, {
      onFailure: () => Effect.succeed(clockUnknown),
      onSuccess: () => Effect.flatMap(nowMillis, (now) => refusalAt(slice, now))
    })

  const refusalNow = (slice: ClaimedSlice): Effect.Effect<Refusal | null> =>
    Effect.flatMap(clock.reliableMillis, (now) => (now === null ? whenAsked(slice) : refusalAt(slice, now)))
  return refusalNow
})
