import { DateTime, Duration, Effect } from "effect"
import { isPausedUntil } from "../../domain/lifecycle/pause.ts"
import {
  type DifferenceKind,
  differenceKinds,
  type SettledSlice,
  type SliceDifference
} from "../../domain/lifecycle/settlement.ts"
import type { BrokerOrder } from "../../domain/model/BrokerOrder.ts"
import { counted } from "../../domain/text/plural.ts"
import { shellWord } from "../../domain/text/shellWord.ts"
import { annotateOrder, annotateReason, annotateSlice } from "../../runtime/annotate.ts"
import { type CurrentDifference, type NotedDifference, SettlementStore } from "../../stores/account/SettlementStore.ts"
import { Telemetry } from "../../telemetry/Telemetry.ts"
import { WorkerStatus } from "../supervision/WorkerStatus.ts"

/** The order list of a day is compared with the slices of that day. */
const remembered = Duration.days(1)
/** What other daemons have noted, and what people have resumed, is read again after this time. */
const refreshAfterMillis = 60_000

const keyOf = (tag: string, kind: string): string => `${tag} ${kind}`

/** A slice that differs from the broker's order list, and in what. */
export interface Differing {
  readonly slice: SettledSlice
  readonly difference: SliceDifference
}

/** For the tags of slices of which people were told in a look: the difference that put the order on hold. */
export type Told = ReadonlyMap<string, DifferenceKind>

/**
 * Tells people of differences, each once for its facts, whatever daemon finds it, and those of one kind in one order together: an error
 * or a warning in the log, the order on hold, and rows that `doctor`, `health` and the notifications show.
 */
export const makeNoteDifferences = Effect.gen(function* () {
  const store = yield* SettlementStore
  const status = yield* WorkerStatus
  let current: ReadonlyArray<CurrentDifference> = []
  let refreshAtMillis = 0

  const note = yield* makeNote(() => {
    refreshAtMillis = 0
  })

  return {
    /** The tags of the differences that are still there. */
    tags: Effect.gen(function* () {
      const now = yield* DateTime.now
      const nowMillis = DateTime.toEpochMillis(now)
      if (!isPausedUntil(nowMillis, refreshAtMillis, refreshAfterMillis)) {
        current = yield* store.current(DateTime.subtractDuration(now, remembered))
        refreshAtMillis = nowMillis + refreshAfterMillis
      }
      return current.map(({ tag }) => tag)
    }),

    /** Tells of slices that differ; returns the tags of those that could not be noted. */
    slices: Effect.fnUntraced(function* (differing: ReadonlyArray<Differing>, now: DateTime.Utc) {
      const failed = new Set<string>()
      const groups = Map.groupBy(differing, ({ slice, difference }) => keyOf(slice.orderId, difference.kind))
      for (const group of groups.values()) {
        const isNoted = yield* note(group.map(ofSlice), now, alarmOf(group))
        if (!isNoted) for (const { slice } of group) failed.add(slice.tag)
      }
      return failed
    }),

    /** Tells of broker orders whose tag has the form of ours and that no slice has; whether they are noted. */
    unknown: (orders: ReadonlyArray<BrokerOrder>, now: DateTime.Utc) => {
      const noted = [...Map.groupBy(orders, ({ tag }) => tag)].map(([tag, ofTag]) => unknownOrder(tag, ofTag))
      const [first, ...more] = noted
      if (first === undefined) return Effect.succeed(true)
      const others = more.length === 0 ? "" : `; and ${more.length} more`
      return note(noted, now, Effect.logError(`The broker's order list differs: ${first.words}${others}`))
    },

    /** Of the differences with the tags that were compared, ends those that are not among `still`. */
    end: Effect.fnUntraced(function* (compared: ReadonlySet<string>, still: ReadonlySet<string>, now: DateTime.Utc) {
      const isGone = ({ tag, kind, isEnded }: CurrentDifference) =>
        !isEnded && compared.has(tag) && !still.has(keyOf(tag, kind))
      const gone = current.filter(isGone)
      if (gone.length === 0) return
      yield* store.end(gone, now)
      refreshAtMillis = 0
    }),

    /** Has `health` show the critical ones, after what else is wrong with the list. */
    show: (problem: string | null) =>
      Effect.suspend(() => {
        const critical = wordsOf(current.filter(({ isCritical }) => isCritical))
        const all = [problem, critical].filter((words) => words !== null)
        return status.blocked("monitor", all.length === 0 ? null : all.join("; "))
      })
  }
})

/** Builds the note of differences of one kind in one order, which tells whether it succeeded. */
const makeNote = Effect.fnUntraced(function* (onNew: () => void) {
  const store = yield* SettlementStore
  const telemetry = yield* Telemetry
  return (noted: ReadonlyArray<NotedDifference>, now: DateTime.Utc, alarm: Effect.Effect<void>) => {
    const count = Effect.sync(() => noted.forEach(({ kind }) => telemetry.differed(kind)))
    return store.note(noted, now, Effect.andThen(alarm, count)).pipe(
      Effect.map((isNew) => {
        if (isNew) onNew()
        return true
      }),
      Effect.catch((error) =>
        Effect.as(
          Effect.logWarning(`A difference from the broker's order list is noted by the next look: ${error.message}`),
          false
        )
      )
    )
  }
})

const wordsOf = (critical: ReadonlyArray<CurrentDifference>): string | null => {
  const [first] = critical
  return first === undefined
    ? null
    : `${counted(critical.length, "difference")} from the broker's order list, the first: ${first.words}`
}

const ofSlice = ({ slice, difference }: Differing): NotedDifference => {
  const { id: sliceId, orderId, tag } = slice
  const { brokerOrderIds, facts, kind, text: words } = difference
  const { isCritical, isHeld } = differenceKinds[kind]
  return { tag, kind, facts, orderId, sliceId, brokerOrderIds, words, isCritical, isHeld }
}

const alarmOf = (group: ReadonlyArray<Differing>): Effect.Effect<void> => {
  const [first] = group
  if (first === undefined) return Effect.void
  const { slice, difference } = first
  const { isCritical, isHeld } = differenceKinds[difference.kind]
  const text = group.length === 1 ? difference.text : `${difference.text}; and ${group.length - 1} more of this order`
  const said = isCritical
    ? Effect.logError(
        `The broker's order list differs: ${text}. Its order is on hold: nothing more of it is sent, and what is missing is not sent ` +
          `again. Settle it at the broker, then run: order resume ${shellWord(slice.orderId)}`
      )
    : Effect.logWarning(`The broker's order list is odd: ${text}. Look at the broker's own pages`)
  const annotate = group.length === 1 ? annotateSlice(slice) : annotateOrder({ id: slice.orderId })
  return said.pipe(annotate, annotateReason(isHeld ? "broker_differs" : null))
}

/** Broker orders whose tag has the form of ours and that no slice has. */
const unknownOrder = (tag: string, orders: ReadonlyArray<BrokerOrder>): NotedDifference => {
  const brokerOrderIds = orders.map(({ brokerOrderId }) => brokerOrderId)
  const words =
    `the broker has ${brokerOrderIds.join(", ")} with the tag ${tag}, which has the form of this service's tags, and no slice has ` +
    "it: another installation places with this account, or this database has lost orders"
  const ids = { orderId: null, sliceId: null, brokerOrderIds }
  return { tag, kind: "unknown_order", facts: brokerOrderIds.join(" "), ...ids, words, isCritical: true, isHeld: false }
}
