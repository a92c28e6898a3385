import { type DateTime, Duration } from "effect"
import type { backlogGroupKinds } from "../domain/operations/backlogGroupKinds.ts"
import { lasting, millisBetween } from "../domain/text/durations.ts"
import { counted } from "../domain/text/plural.ts"
import { shellWord } from "../domain/text/shellWord.ts"
import { type Check, ok, problem, pulse, warning } from "./Check.ts"

/** Rows that wait for the same thing. The kinds from `expired` on are SCHEDULED slices that are due. */
export interface BacklogGroup {
  readonly kind: (typeof backlogGroupKinds)[number]
  readonly count: number
  /** The row that has waited longest, and since when. */
  readonly id: string
  readonly since: DateTime.Utc
}

/** How long each kind may take before it is a problem. */
export interface Timeouts {
  readonly split: Duration.Duration
  readonly splitTimeout: Duration.Duration
  readonly claim: Duration.Duration
  readonly doubt: Duration.Duration
  readonly sweep: Duration.Duration
}

/** Facts that explain why nothing is claimed. */
export interface Standstill {
  readonly isHalted: boolean
  readonly liveExecutors: number
  readonly isOnHold: boolean
}

/**
 * Orders to split, splits under way, slices in doubt, lost broker orders and overdue slices, each against its
 * timeout.
 */
export const backlogChecks = (
  groups: ReadonlyArray<BacklogGroup>,
  timeouts: Timeouts,
  standstill: Standstill,
  now: DateTime.Utc
): ReadonlyArray<Check> => {
  const group = (kind: BacklogGroup["kind"]) => groups.find((group) => group.kind === kind) ?? null
  return [
    pendingCheck(group("pending"), timeouts, now),
    splittingCheck(group("splitting"), timeouts, now),
    doubtCheck(group("doubt"), timeouts, now),
    lostCheck(group("lost"), now),
    ...overdueChecks(groups, timeouts, standstill, now)
  ]
}

const isLong = ({ since }: BacklogGroup, timeout: Duration.Duration, now: DateTime.Utc): boolean =>
  millisBetween(since, now) > Duration.toMillis(timeout)

const waiting = ({ count, id, since }: BacklogGroup, noun: string, now: DateTime.Utc): string =>
  `${counted(count, noun)}, the oldest for ${lasting(since, now)} (${id})`

const pendingCheck = (group: BacklogGroup | null, { split }: Timeouts, now: DateTime.Utc): Check => {
  const name = "orders to split"
  if (group === null) return ok(name, "none waits")
  const found = waiting(group, "PENDING order", now)
  return isLong(group, split, now) ? problem(name, `${found}: no splitter takes it`, pulse("workers")) : ok(name, found)
}

const splittingCheck = (group: BacklogGroup | null, { splitTimeout }: Timeouts, now: DateTime.Utc): Check => {
  const name = "splits"
  if (group === null) return ok(name, "none is under way")
  const found = waiting(group, "order", now)
  return isLong(group, splitTimeout, now)
    ? problem(
        name,
        `${found} IN_PROGRESS, beyond ORDER_SPLIT_TIMEOUT_MINUTES: no monitor gives it back`,
        pulse("workers")
      )
    : ok(name, found)
}

const doubtCheck = (group: BacklogGroup | null, { doubt }: Timeouts, now: DateTime.Utc): Check => {
  const name = "slices in doubt"
  if (group === null) return ok(name, "none")
  const found = waiting(group, "slice", now)
  return isLong(group, doubt, now)
    ? problem(
        name,
        `${found}: the broker's order list does not show what became of it`,
        `Look at the broker's own pages, then: ${pulse(`slice placed ${shellWord(group.id)} BROKER_ORDER --reason TEXT`)}, or ${pulse(`slice skip ${shellWord(group.id)} --reason TEXT`)}`
      )
    : ok(name, `${found}: looked up in the broker's order list`)
}

const lostCheck = (group: BacklogGroup | null, now: DateTime.Utc): Check => {
  const name = "unfinished orders of a past book"
  return group === null
    ? ok(name, "none")
    : problem(
        name,
        `${waiting(group, "slice", now)}: the broker's order list no longer shows what became of its order`,
        `Look at the broker's own pages, then: ${pulse(`slice placed ${shellWord(group.id)} BROKER_ORDER --filled N --price P --reason TEXT`)}`
      )
}

const overdueName = "overdue slices"

/** One check for each reason that keeps due slices from being claimed; a single OK when there is none. */
const overdueChecks = (
  groups: ReadonlyArray<BacklogGroup>,
  timeouts: Timeouts,
  standstill: Standstill,
  now: DateTime.Utc
): ReadonlyArray<Check> => {
  const checks = groups.flatMap((group): ReadonlyArray<Check> => {
    const found = waiting(group, "slice", now)
    switch (group.kind) {
      case "unclaimed":
        return isLong(group, timeouts.claim, now) ? [unclaimedCheck(found, standstill)] : []
      case "held":
        return [warning(overdueName, `${found}: order on hold`, 'See "orders on hold" above')]
      case "respread":
        return isLong(group, timeouts.sweep, now)
          ? [
              warning(
                overdueName,
                `${found}: too late, waiting to be planned anew`,
                `A halt or a limit holds it; see ${pulse("top")}`
              )
            ]
          : []
      case "hours":
        return [
          problem(
            overdueName,
            `${found}: planned with a trading calendar, which is off here`,
            "Start a daemon with TRADING_CALENDAR=on, or with the real broker"
          )
        ]
      case "unknown kind":
        return [
          problem(
            overdueName,
            `${found}: of a kind that this version does not know`,
            "Start a daemon of the version that planned it"
          )
        ]
      case "expired":
        return isLong(group, timeouts.sweep, now)
          ? [problem(overdueName, `${found}: its window is over, and no monitor skips it`, pulse("workers"))]
          : []
      default:
        return []
    }
  })
  return checks.length === 0 ? [ok(overdueName, "none")] : checks
}

const unclaimedCheck = (found: string, { isHalted, liveExecutors, isOnHold }: Standstill): Check => {
  if (isHalted) return warning(overdueName, `${found}: placements are halted`, pulse("resume"))
  if (liveExecutors === 0) return problem(overdueName, `${found}: no daemon runs`, pulse(""))
  if (isOnHold)
    return problem(overdueName, `${found}: every daemon is on hold`, `See "holds" above; ${pulse("workers")}`)
  return problem(
    overdueName,
    `${found}, and nothing forbids to claim it`,
    `Is SLICE_EXECUTOR_CONCURRENCY too low, or the database slow? See the executors' logs, and ${pulse("top")}`
  )
}
