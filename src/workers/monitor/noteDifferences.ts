import { DateTime, Duration, Effect } from "effect"
import { isPausedUntil } from "../../domain/lifecycle/pause.ts"
import { differenceKinds, type SettledSlice, type SliceDifference } from "../../domain/lifecycle/settlement.ts"
import type { BrokerOrder } from "../../domain/model/BrokerOrder.ts"
import { counted } from "../../domain/text/plural.ts"
import { shellWord } from "../../domain/text/shellWord.ts"
import { annotateReason, annotateSlice } from "../../runtime/annotate.ts"
import { type CurrentDifference, type NotedDifference, SettlementStore } from "../../stores/account/SettlementStore.ts"
import { Telemetry } from "../../telemetry/Telemetry.ts"
import { WorkerStatus } from "../supervision/WorkerStatus.ts"

/** The order list of a day is compared with the slices of that day. */
const remembered = Duration.days(1)
/** What other daemons have noted, and what people have resumed, is read again after this time. */
const refreshAfterMillis = 60_000

const endsByPerson: ReadonlySet<string> = new Set(
  Object.entries(differenceKinds).flatMap(([kind, { isHeld }]) => (isHeld && kind !== "absent" ? [kind] : []))
)

const keyOf = (tag: string, kind: string): string => `${tag} ${kind}`

/**
 * Tells people of differences, each once for its facts, whatever daemon finds it: an error or a warning in the log, the order on
 * hold, and a row that `doctor`, `health` and the notifications show until the order list no longer says so.
 */
export const makeNoteDifferences = Effect.gen(function* () {
  const store = yield* SettlementStore
  const status = yield* WorkerStatus
  const telemetry = yield* Telemetry
  /** What this process has told of. */
  const told = new Map<string, string>()
  let current: ReadonlyArray<CurrentDifference> = []
  let refreshAtMillis = 0

  const note = Effect.fnUntraced(function* (
    difference: NotedDifference,
    now: DateTime.Utc,
    alarm: Effect.Effect<void>
  ) {
    const key = keyOf(difference.tag, difference.kind)
    // An alarm is noted again whenever it is met: the database may have forgotten it, and nobody may know that yet.
    if (!difference.isCritical && told.get(key) === difference.facts) return
    const counted = Effect.sync(() => telemetry.differed(difference.kind))
    if (yield* store.note(difference, now, Effect.andThen(alarm, counted))) refreshAtMillis = 0
    told.set(key, difference.facts)
  })

  return {
    /** The database may have forgotten what was noted: everything is noted again. */
    forget: () => {
      told.clear()
      refreshAtMillis = 0
    },

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

    slice: (slice: SettledSlice, difference: SliceDifference, now: DateTime.Utc) =>
      note(ofSlice(slice, difference), now, alarmOfSlice(slice, difference)),

    unknown: (tag: string, orders: ReadonlyArray<BrokerOrder>, now: DateTime.Utc) => {
      const difference = unknownOrder(tag, orders)
      return note(difference, now, Effect.logError(`The broker's order list differs: ${difference.words}`))
    },

    /**
     * Of the differences with the tags that were compared, ends those that are not among `still`. What put an order on hold is there
     * until a person resumes or cancels the order, but for an order that turns up.
     */
    end: Effect.fnUntraced(function* (compared: ReadonlySet<string>, still: ReadonlySet<string>, now: DateTime.Utc) {
      const isGone = ({ tag, kind }: CurrentDifference) =>
        compared.has(tag) && !still.has(keyOf(tag, kind)) && !endsByPerson.has(kind)
      const gone = current.filter(isGone)
      if (gone.length === 0) return
      yield* store.end(gone, now)
      for (const { tag, kind } of gone) told.delete(keyOf(tag, kind))
      refreshAtMillis = 0
    }),

    /** Has `health` show the critical ones. */
    show: Effect.suspend(() => status.blocked("monitor", wordsOf(current.filter(({ isCritical }) => isCritical))))
  }
})

const wordsOf = (critical: ReadonlyArray<CurrentDifference>): string | null => {
  const [first] = critical
  return first === undefined
    ? null
    : `${counted(critical.length, "difference")} from the broker's order list, the first: ${first.words}`
}

const ofSlice = (
  { id: sliceId, orderId, tag }: SettledSlice,
  { brokerOrderIds, facts, kind, text: words }: SliceDifference
): NotedDifference => {
  const { isCritical, isHeld } = differenceKinds[kind]
  return { tag, kind, facts, orderId, sliceId, brokerOrderIds, words, isCritical, isHeld }
}

const alarmOfSlice = (slice: SettledSlice, { kind, text }: SliceDifference): Effect.Effect<void> => {
  const { isCritical, isHeld } = differenceKinds[kind]
  const said = isCritical
    ? Effect.logError(
        `The broker's order list differs: ${text}. Its order is on hold: nothing more of it is sent, and what is missing is not sent ` +
          `again. Settle it at the broker, then run: order resume ${shellWord(slice.orderId)}`
      )
    : Effect.logWarning(`The broker's order list is odd: ${text}. Look at the broker's own pages`)
  return said.pipe(annotateSlice(slice), annotateReason(isHeld ? "broker_differs" : null))
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
