import { DateTime } from "effect"
import { placementsPerDay, requestShare } from "../domain/limits/requestShares.ts"
import { isNearlyUsed } from "../domain/limits/usage.ts"
import { whole } from "../domain/text/decimals.ts"
import { lasting } from "../domain/text/durations.ts"
import { type Check, ok, problem, pulse, warning } from "./Check.ts"

/** Order requests that the account has sent today, and what the broker has said about them. */
export interface RequestFacts {
  readonly today: number
  /** How many of them were cancels. */
  readonly cancelsToday: number
  readonly perDay: number
  readonly blockedUntil: DateTime.Utc | null
  /** To placements, and to cancels: that the day's requests are used up. */
  readonly cappedUntil: DateTime.Utc | null
  readonly cancelsCappedUntil: DateTime.Utc | null
}

/** Requests against the account's limit of the day, parts of which are kept for placements and for cancels. */
export const requestCheck = (facts: RequestFacts, now: DateTime.Utc): Check => {
  const { today, cancelsToday, perDay, blockedUntil, cappedUntil, cancelsCappedUntil } = facts
  const name = "order requests"
  const maxPlacements = placementsPerDay(perDay)
  const used = today - cancelsToday + Math.max(0, cancelsToday - (perDay - maxPlacements))
  const found =
    `${today} of the ${perDay} that the account may send today, ${maxPlacements} of them for placements` +
    (cancelsToday === 0 ? "" : `; ${cancelsToday} were cancels`)
  if (cancelsCappedUntil !== null || isUsedUpForCancels(facts)) {
    const said = cancelsCappedUntil === null ? "used up for cancels" : "the broker takes no more cancels today"
    return problem(name, `${found}: ${said}`, "Cancel open orders at the broker")
  }
  if (cappedUntil !== null) {
    return problem(
      name,
      `${found}; the broker says that they are used up`,
      `Nothing is placed until ${DateTime.formatIso(cappedUntil)}; cancel what must not wait: ${pulse("order cancel ID")}`
    )
  }
  if (used >= maxPlacements) {
    return problem(
      name,
      `${found}: used up`,
      `Nothing more is placed today; cancel what must not wait: ${pulse("order cancel ID")}`
    )
  }
  if (blockedUntil !== null) {
    return warning(name, `${found}; the broker asked for a pause`, `Wait ${lasting(now, blockedUntil)}`)
  }
  return isNearlyUsed(whole(used), whole(maxPlacements))
    ? warning(name, `${found}: nearly used up`, `Submit fewer slices, or cancel what can wait: ${pulse("order list")}`)
    : ok(name, found)
}

const isUsedUpForCancels = ({ today, cancelsToday, perDay }: RequestFacts): boolean => {
  const { max, keptForOther } = requestShare("cancel", perDay)
  return cancelsToday + Math.max(today - cancelsToday, keptForOther) >= max
}
