import type { DateTime } from "effect"
import { isListOld } from "../domain/market/staleness.ts"
import { lasting } from "../domain/text/durations.ts"
import { type Check, ok, pulse, warning } from "./Check.ts"

/** `syncedAt` is null before the first sync. */
export const instrumentCheck = (syncedAt: DateTime.Utc | null, now: DateTime.Utc): Check => {
  const name = "instruments"
  const todo = pulse("instruments sync")
  if (syncedAt === null) return warning(name, "no list yet: lots, ticks and expiries are not checked", todo)
  const found = `the list is ${lasting(syncedAt, now)} old`
  return isListOld(syncedAt, now)
    ? warning(name, `${found}: new expiries and changed lots are missing`, todo)
    : ok(name, found)
}
