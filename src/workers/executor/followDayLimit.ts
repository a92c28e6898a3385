import { DateTime, Effect } from "effect"
import { PlacementGate } from "../../broker/PlacementGate.ts"
import { Configuration } from "../../config/Configuration.ts"
import { dayIsOver, limitsTheDay } from "../../domain/limits/dayLimits.ts"
import { DayTotalStore } from "../../stores/account/DayTotalStore.ts"

/**
 * Closes the placement gate while the day's orders exceed a daily limit, which happens when a limit was lowered after the
 * split or an order was amended. It asks the database only if there is such a limit.
 */
export const makeFollowDayLimit = Effect.gen(function* () {
  const { limits } = yield* Configuration
  const days = yield* DayTotalStore
  const gate = yield* PlacementGate
  if (!limitsTheDay(limits)) return Effect.void

  return Effect.gen(function* () {
    const reason = dayIsOver(yield* days.totals(yield* DateTime.now), limits)
    yield* reason === null ? gate.open("day") : gate.close("day", `${reason}; raise it, or wait for tomorrow in India`)
  })
})
