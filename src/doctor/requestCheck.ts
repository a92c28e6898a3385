import { DateTime } from "effect"
import { placementsPerDay } from "../domain/limits/orderRate.ts"
import { isNearlyUsed } from "../domain/limits/usage.ts"
import { whole } from "../domain/text/decimals.ts"
import { lasting } from "../domain/text/durations.ts"
import { type Check, ok, problem, pulse, warning } from "./Check.ts"

/** Order requests that the account has sent today, and what the broker has said about them. */
export interface RequestFacts {
  readonly today: number
  readonly perDay: number
  readonly blockedUntil: DateTime.Utc | null
  readonly cappedUntil: DateTime.Utc | null
}

/** Requests against the account's limit of the day, a part of which is kept for cancels. */
export const requestCheck = ({ today, perDay, blockedUntil, cappedUntil }: RequestFacts, now: DateTime.Utc): Check => {
  const name = "order requests"
  const maxPlacements = placementsPerDay(perDay)
  const found = `${today} of the ${perDay} that the account may send today, ${maxPlacements} of them for placements`
  if (cappedUntil !== null) {
    return problem(
      name,
      `${found}; the broker says that they are used up`,
      `Nothing is placed until ${DateTime.formatIso(cappedUntil)}; cancel what must not wait: ${pulse("order cancel ID")}`
    )
  }
  if (today >= maxPlacements) {
    return problem(
      name,
      `${found}: used up`,
      `Nothing more is placed today; cancel what must not wait: ${pulse("order cancel ID")}`
    )
  }
  if (blockedUntil !== null) {
    return warning(name, `${found}; the broker asked for a pause`, `Wait ${lasting(now, blockedUntil)}`)
  }
  return isNearlyUsed(whole(today), whole(maxPlacements))
    ? warning(name, `${found}: nearly used up`, `Submit fewer slices, or cancel what can wait: ${pulse("order list")}`)
    : ok(name, found)
}
