import { DateTime } from "effect"
import { indianDay } from "../domain/market/indianTime.ts"
import { isListOld } from "../domain/market/staleness.ts"
import { lasting } from "../domain/text/durations.ts"
import type { SyncState } from "../stores/account/InstrumentSyncStore.ts"
import { type Check, ok, problem, pulse, warning } from "./Check.ts"

/** `syncedAt` is null before the first sync; `sync` is what came of the daemons' latest attempts. */
export const instrumentCheck = (syncedAt: DateTime.Utc | null, now: DateTime.Utc, sync: SyncState): Check => {
  const name = "instruments"
  const todo = pulse("instruments sync")
  const { alarmedAt, failure } = sync
  const isMissed =
    sync.day === indianDay(now) && alarmedAt !== null && (syncedAt === null || DateTime.isLessThan(syncedAt, alarmedAt))
  const age = syncedAt === null ? "there is no list" : `the list is ${lasting(syncedAt, now)} old`
  if (isMissed) return problem(name, `${age}, and today's could not be had: ${failure ?? "an attempt runs"}`, todo)
  if (syncedAt === null) return warning(name, "no list yet: lots, ticks and expiries are not checked", todo)
  return isListOld(syncedAt, now)
    ? warning(name, `${age}: new expiries and changed lots are missing`, todo)
    : ok(name, age)
}
