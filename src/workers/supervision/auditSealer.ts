import { Clock, DateTime, Duration, Effect, Layer } from "effect"
import { Wakeups } from "../../db/Wakeups.ts"
import { logAndContinue } from "../../runtime/logAndContinue.ts"
import { AuditStore, type SealHead } from "../../stores/operations/AuditStore.ts"
import type { AuditTable } from "../../stores/sql/auditTables.ts"
import { Lookout } from "./Lookout.ts"

/** How many rows one statement seals, and the pause after it while there are more. */
const maxRows = 10_000
const pause = Duration.millis(50)

/** How often, and how long, to ask whether the transactions have ended that may still commit older rows. */
const writersInterval = Duration.seconds(1)
const maxAsked = 60

/** A head is logged at most once in this time, for whoever keeps the log elsewhere than the database. */
const logInterval = Duration.minutes(10)

/**
 * Seals the audit whenever the lookout has seen rows that are not sealed. One daemon at a time succeeds: each seal follows the one
 * that was the last when it was begun. What a daemon has sealed or seen it expects to find again.
 */
export const AuditSealer: Layer.Layer<never, never, AuditStore | Wakeups> = Layer.effectDiscard(
  Effect.gen(function* () {
    const wakeups = yield* Wakeups
    const lookout = yield* Lookout
    const sealAll = yield* makeSealAll
    const round = Effect.andThen(wakeups.next("audit"), lookout.unlessIdle("audit", sealAll))
    yield* round.pipe(logAndContinue("The audit could not be sealed"), Effect.forever, Effect.forkScoped)
  })
)

/** One pass over what is not sealed. */
export const makeSealAll = Effect.gen(function* () {
  const store = yield* AuditStore
  const wakeups = yield* Wakeups
  const followHead = makeFollowHead()

  const sealTable = Effect.fnUntraced(function* (table: AuditTable, sealedTo: number, top: number, from: SealHead) {
    let [head, after, width] = [from, sealedTo, maxRows]
    while (after < top) {
      const last = Math.min(after + width, top)
      const now = yield* DateTime.now
      const sealed = yield* store.seal({ table, after, last, top, limit: maxRows, head, now })
      if (!sealed.isNext) return null
      // Ids that were never committed are passed over, in ever longer strides.
      width = sealed.count === 0 ? width * 16 : maxRows
      after = sealed.count === maxRows && sealed.lastId !== null ? sealed.lastId : last
      if (sealed.number !== null && sealed.hash !== null) head = { number: sealed.number, hash: sealed.hash }
      if (sealed.count > 0 && after < top) yield* Effect.sleep(pause)
    }
    return head
  })

  return Effect.gen(function* () {
    const { hash, number, tables, taken } = yield* store.progress
    yield* followHead({ hash, number })
    const writing = yield* untilEnded(store)
    let head: SealHead = { hash, number }
    for (const { sealedTo, table, top } of tables) {
      if (writing.has(table)) continue
      const sealed = yield* sealTable(table, sealedTo, top, head)
      // Another daemon seals, or has sealed meanwhile.
      if (sealed === null) return yield* wakeups.wake("audit").pipe(Effect.delay(writersInterval))
      head = sealed
    }
    yield* followHead(head)
    if (writing.size === 0) yield* store.cover(taken)
  })
})

/**
 * Waits until the transactions that write to the audit now have ended: they may have taken ids that are lower than those seen.
 * Returns the tables to which one still writes when the time is over.
 */
const untilEnded = Effect.fnUntraced(function* (store: AuditStore["Service"]) {
  const first = yield* store.writers
  const known = new Set(first.map(({ transaction }) => transaction))
  let left = first
  for (let asked = 0; left.length > 0 && asked < maxAsked; asked += 1) {
    yield* Effect.sleep(writersInterval)
    left = (yield* store.writers).filter(({ transaction }) => known.has(transaction))
  }
  return new Set(left.map(({ table }) => table))
})

/** Takes note of where the seals end. They only grow, unless the database has forgotten some, or somebody has removed them. */
const makeFollowHead = () => {
  let known: SealHead | null = null
  let loggedAt = -Infinity
  return Effect.fnUntraced(function* (head: SealHead) {
    const before = known
    known = head
    if (
      before !== null &&
      (head.number < before.number || (head.number === before.number && head.hash !== before.hash))
    ) {
      loggedAt = -Infinity
      return yield* Effect.logError(
        `The seals of the audit ended at ${shownHead(before)}, and end at ${shownHead(head)} now: the database has forgotten the ` +
          'others (a fail-over, a restored backup), or somebody has changed them. See "audit verify"'
      )
    }
    const now = yield* Clock.currentTimeMillis
    if (head.number === 0 || now - loggedAt < Duration.toMillis(logInterval)) return
    if (before !== null && before.number === head.number) return
    loggedAt = now
    yield* Effect.logInfo(`The audit is sealed up to ${shownHead(head)}`)
  })
}

const shownHead = ({ hash, number }: SealHead): string => `${number}:${hash}`
