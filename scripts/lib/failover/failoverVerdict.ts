import { quantile } from "../../../src/domain/numbers/quantile.ts"
import type { LedgerOrder, SliceRow } from "../ledgerVerdict.ts"
import type { Round } from "./rounds.ts"

/** What happened in one round. Times are milliseconds since 1970 on this host's clock, which is also the simulator's. */
export interface RoundResult {
  readonly round: Round
  readonly killedAt: number
  /** Transactions that the dead primary had begun, and the new one never saw. */
  readonly lostTransactions: number
  /** Orders whose insertion was confirmed, and that the new primary does not have. */
  readonly lostOrders: number
  /** From the kill until something was placed after the writer had moved; null in a round with a halt, and when nothing was. */
  readonly placedAgainMillis: number | null
  /** From the kill until the daemons had halted placements by themselves, for a person to look; null if they had not. */
  readonly stoppedMillis: number | null
  /** How many orders were placed between an acknowledged halt and its resume. */
  readonly placedWhileHalted: number
  readonly problems: ReadonlyArray<string>
}

/** The whole run: the simulator's orders, and what the last primary says about slices and orders. */
export interface FailoverRun {
  readonly ledger: ReadonlyArray<LedgerOrder>
  readonly slices: ReadonlyArray<SliceRow>
  /** The slices of orders on hold, which wait for a person. A double holds its order. */
  readonly heldTags: ReadonlyArray<string>
  /** Orders that are neither split nor refused at the end. */
  readonly unsplitOrders: number
  readonly rounds: ReadonlyArray<RoundResult>
  /** Within which 99 of 100 undisturbed rounds place again, in seconds from the kill. */
  readonly goalSeconds: number
}

export interface FailoverVerdict {
  readonly figures: Readonly<Record<string, unknown>>
  readonly problems: ReadonlyArray<string>
}

/**
 * Judges a run by the simulator's ledger. Orders of the ledger without a slice are no problem: the database has forgotten
 * their orders, and nobody else is to place them.
 */
export const judgeFailovers = (run: FailoverRun): FailoverVerdict => {
  const { ledger, slices, heldTags, unsplitOrders, rounds, goalSeconds } = run
  const placedAgainSeconds = percentiles(rounds.map(({ placedAgainMillis }) => placedAgainMillis))
  const ordersByTag = Map.groupBy(
    ledger.filter(({ status }) => status !== "REJECTED"),
    ({ tag }) => tag
  )
  const firstOf = ({ tag }: SliceRow) => ordersByTag.get(tag)?.[0]
  const doubles = [...ordersByTag.values()].filter((orders) => orders.length > 1)
  const isOpen = ({ stage }: SliceRow) => stage === "SCHEDULED" || stage === "IN_PROGRESS"
  const held = new Set(heldTags)
  const isLeftOpen = (slice: SliceRow) => isOpen(slice) && !held.has(slice.tag)
  const lost = slices.filter(
    (slice) => isLeftOpen(slice) || (slice.stage === "PROCESSED" && firstOf(slice) === undefined)
  )
  const misjudged = slices.filter(
    (slice) => !isOpen(slice) && slice.stage !== "PROCESSED" && firstOf(slice) !== undefined
  )
  const early = slices.filter((slice) => (firstOf(slice)?.receivedAt ?? Infinity) < slice.dueMillis)
  const lifted = rounds.filter(({ placedWhileHalted }) => placedWhileHalted > 0)
  const broken = rounds.filter(({ round, lostOrders }) => round.standby === "synchronous" && lostOrders > 0)
  const roundAt = (millis: number) => rounds.findLast(({ killedAt }) => killedAt <= millis)?.round.number ?? 0
  return {
    figures: {
      rounds: rounds.length,
      slices: slices.length,
      stages: Object.fromEntries(
        [...Map.groupBy(slices, ({ stage }) => stage)].map(([stage, all]) => [stage, all.length])
      ),
      brokerOrders: ledger.length,
      forgotten: [...ordersByTag.keys()].filter((tag) => !slices.some((slice) => slice.tag === tag)).length,
      doubles: doubles.length,
      lost: lost.length + unsplitOrders,
      held: heldTags.length,
      early: early.length,
      placedButNotProcessed: misjudged.length,
      halts: rounds.filter(({ round }) => round.halt !== "none").length,
      haltsLifted: lifted.length,
      placedAgainSeconds,
      goalSeconds,
      haltedByThemselves: rounds.filter(({ stoppedMillis }) => stoppedMillis !== null).length,
      haltedByThemselvesSeconds: percentiles(rounds.map(({ stoppedMillis }) => stoppedMillis)),
      roundsWithLostCommits: rounds.filter(({ lostTransactions }) => lostTransactions > 0).length,
      lostTransactions: rounds.reduce((sum, { lostTransactions }) => sum + lostTransactions, 0),
      lostOrders: rounds.reduce((sum, { lostOrders }) => sum + lostOrders, 0)
    },
    problems: [
      ...rounds.flatMap(({ round, problems }) => problems.map((problem) => `round ${round.number}: ${problem}`)),
      ...doubles.map(
        (orders) =>
          `${orders[0]?.tag} was placed ${orders.length} times: ` +
          orders.map(({ orderId, receivedAt }) => `${orderId} after round ${roundAt(receivedAt)}`).join(", ")
      ),
      ...lost.map(({ tag, stage, attempts }) => `${tag} is ${stage} after ${attempts} attempts and was not placed`),
      ...((placedAgainSeconds?.p99 ?? 0) > goalSeconds
        ? [`placed again after ${placedAgainSeconds?.p99} s in 99 of 100 rounds, not ${goalSeconds} s`]
        : []),
      ...(unsplitOrders > 0 ? [`${unsplitOrders} orders were never split`] : []),
      ...misjudged.map(({ tag, stage, stageReason }) => `${tag} is ${stage} and was placed: ${stageReason}`),
      ...early.map((slice) => `${slice.tag} was ${slice.dueMillis - (firstOf(slice)?.receivedAt ?? 0)} ms early`),
      ...lifted.map(
        ({ round, placedWhileHalted }) =>
          `round ${round.number}: ${placedWhileHalted} orders were placed during its halt`
      ),
      ...broken.map(
        ({ round, lostOrders }) => `round ${round.number}: the synchronous standby lacked ${lostOrders} orders`
      )
    ]
  }
}

const percentiles = (millis: ReadonlyArray<number | null>) => {
  const sorted = millis.filter((value) => value !== null).toSorted((a, b) => a - b)
  const at = (share: number) => Math.round((quantile(sorted, share) ?? 0) / 100) / 10
  return sorted.length === 0 ? null : { p50: at(0.5), p99: at(0.99), max: at(1) }
}
