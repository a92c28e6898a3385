import { Clock, DateTime, Duration, Effect, Exit, Option } from "effect"
import { Broker, type BrokerOrder } from "../broker/Broker.ts"
import { Configuration } from "../Configuration.ts"
import type { DbError } from "../db/Db.ts"
import { reconcile, windowOver } from "../domain/Decisions.ts"
import type { Tag } from "../domain/Ids.ts"
import type { OpenSlice, SliceTransition, UnresolvedSlice } from "../domain/OrderSlice.ts"
import { Instance } from "../Instance.ts"
import type { BrokerEvent } from "../stores/BrokerEvent.ts"
import { HeartbeatStore } from "../stores/HeartbeatStore.ts"
import { OrderStore } from "../stores/OrderStore.ts"
import { OverdueStore } from "../stores/OverdueStore.ts"
import { type BrokerState, SliceStore } from "../stores/SliceStore.ts"
import { answerOf, type CallAnswer } from "./brokerCall.ts"
import { makeFollowThrough } from "./followThrough.ts"
import { makeFollowQuotes } from "./QuoteFollower.ts"
import { tick } from "./Worker.ts"
import { WorkerStatus } from "./WorkerStatus.ts"

/** How many slices one look-up asks for. With more than that open, each poll goes on where the last one stopped. */
const largestLookup = 5000
/** A cancel that had no effect by then is sent again. */
const cancelResend = Duration.seconds(15)
/** However many hints the broker gives, its book is not read more often. */
const shortestPause = Duration.seconds(1)
/** So many are skipped by one statement. */
const mostSkipped = 1000
const keepStaleHeartbeats = Duration.days(1)

/**
 * Recovers what got stuck and follows what was placed. Every BROKER_POLL_INTERVAL_SECONDS, or sooner when the broker hints
 * at a change: if anything waits for the broker's word, one look-up for all slices that are open or whose outcome is unknown,
 * then the cancels that are wanted; then new plans for orders whose day does not go to plan. Every
 * TIMEOUT_MONITOR_POLL_INTERVAL_SECONDS: splits that got stuck, slices whose window is over. Beside that, quotes, when a limit
 * needs them.
 */
export const TimeoutMonitor = Effect.gen(function* () {
  const config = yield* Configuration
  const status = yield* WorkerStatus
  const broker = yield* Broker
  const followBroker = yield* makeFollowBroker
  const followThrough = yield* makeFollowThrough
  const sweep = yield* makeSweep
  const followQuotes = yield* makeFollowQuotes
  let nextSweepMillis = 0

  const sweepWhenDue = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    if (now < nextSweepMillis) return
    yield* sweep
    nextSweepMillis = now + Duration.toMillis(config.timeoutMonitorPollInterval)
  })

  /** One that fails does not keep the others from being done. */
  const once = Effect.forEach([followBroker, followThrough, sweepWhenDue], (task) => Effect.exit(task)).pipe(
    Effect.flatMap((exits) => Exit.asVoidAll(exits))
  )
  const interval = Duration.min(config.brokerPollInterval, config.timeoutMonitorPollInterval)
  const pause = Duration.min(interval, shortestPause)
  const untilNext = Effect.raceFirst(Effect.sleep(Duration.subtract(interval, pause)), broker.changed)
  const follow = tick(status, "monitor", once).pipe(
    Effect.andThen(Effect.sleep(pause)),
    Effect.andThen(untilNext),
    Effect.forever
  )
  return yield* Effect.raceFirst(follow, followQuotes)
})

/** Some at a time until there are no more, and a line for each. */
const skipAll = (skipSome: Effect.Effect<ReadonlyArray<string>, DbError>, log: Effect.Effect<void>) =>
  skipSome.pipe(
    Effect.tap((ids) => Effect.forEach(ids, (id) => Effect.annotateLogs(log, { slice_id: id }), { discard: true })),
    Effect.repeat({ while: (ids) => ids.length === mostSkipped })
  )

/** One pass over everything that is stuck for reasons of our own. */
export const makeSweep = Effect.gen(function* () {
  const config = yield* Configuration
  const orders = yield* OrderStore
  const overdue = yield* OverdueStore
  const heartbeats = yield* HeartbeatStore

  return Effect.gen(function* () {
    const now = yield* DateTime.now
    const stuck = yield* orders.releaseStuck({
      now,
      claimedBefore: DateTime.subtractDuration(now, config.orderSplitTimeout),
      maxAttempts: config.orderSplitMaxAttempts
    })
    for (const order of stuck) {
      yield* Effect.logError(`The order is ${order.orderQueueStatus} now: ${order.statusReason ?? ""}`).pipe(
        Effect.annotateLogs({ order_id: order.id })
      )
    }
    yield* skipAll(overdue.skipStale(now, windowOver, mostSkipped), Effect.logError(`Slice skipped: ${windowOver}`))
    yield* skipAll(overdue.skipCancelled(now, mostSkipped), Effect.logInfo("Slice skipped: its order was cancelled"))
    yield* heartbeats.forget(DateTime.subtractDuration(now, keepStaleHeartbeats))
  })
})

/** One pass over everything that waits for the broker's word. */
export const makeFollowBroker = Effect.gen(function* () {
  const slices = yield* SliceStore
  const lookUp = yield* makeLookUp
  const reportDoubles = yield* makeReportDoubles
  const resolve = yield* makeResolve
  const sendCancels = yield* makeSendCancels
  let lastFollowed: OpenSlice | null = null

  return Effect.gen(function* () {
    const now = yield* DateTime.now
    const unresolved = yield* slices.unresolved(now, largestLookup)
    const open: ReadonlyArray<OpenSlice> = yield* slices.open(lastFollowed, largestLookup, now)
    lastFollowed = open.length === largestLookup ? (open.at(-1) ?? null) : null
    if (unresolved.length === 0 && open.length === 0) return

    const book = yield* lookUp(new Set([...unresolved, ...open].map((slice) => slice.tag)))
    if (Option.isNone(book)) return
    yield* reportDoubles([...unresolved, ...open], book.value)
    yield* resolve(unresolved, book.value)

    const states = open.flatMap((slice): ReadonlyArray<BrokerState> => {
      const state = book.value.ordersOf(slice.tag).find((order) => order.brokerOrderId === slice.brokerOrderId)
      return state === undefined ? [] : [{ slice, state }]
    })
    if (states.length > 0) yield* slices.saveBrokerStates(states, yield* DateTime.now)
    yield* sendCancels(open)
  })
})

/** What the broker's book showed, and when the question was asked. */
interface Book {
  readonly askedMillis: number
  readonly bookSinceMillis: number
  readonly ordersOf: (tag: Tag) => ReadonlyArray<BrokerOrder>
}

/** Asks the broker once for all tags. None when it could not say: that is not "not found". */
const makeLookUp = Effect.gen(function* () {
  const broker = yield* Broker
  const slices = yield* SliceStore
  const instance = yield* Instance

  return Effect.fnUntraced(function* (tags: ReadonlySet<Tag>) {
    const askedAt = yield* DateTime.now
    const answer = yield* Effect.exit(broker.findByTag(tags))
    const at = yield* DateTime.now
    const { outcome, response } = answerOf(answer, (found) => ({ broker_orders: found.length }))
    yield* slices.audit([
      {
        id: `${instance.id}:find_by_tag:${DateTime.toEpochMillis(askedAt)}`,
        calledAt: askedAt,
        durationMillis: DateTime.toEpochMillis(at) - DateTime.toEpochMillis(askedAt),
        broker: broker.name,
        call: "find_by_tag",
        outcome,
        orderId: null,
        sliceId: null,
        attempt: null,
        brokerOrderId: null,
        request: { tags: tags.size },
        response,
        worker: instance.id
      }
    ])
    if (Exit.isFailure(answer)) {
      yield* Effect.logWarning(
        `The broker's book could not be read (${outcome}); unknown outcomes stay unknown`,
        response
      )
      return Option.none<Book>()
    }
    const byTag = Map.groupBy(answer.value, (order) => order.tag)
    return Option.some<Book>({
      askedMillis: DateTime.toEpochMillis(askedAt),
      // As of the answer: a book that began anew while it was asked for may be either.
      bookSinceMillis: DateTime.toEpochMillis(broker.bookSince(at)),
      ordersOf: (tag) => byTag.get(tag) ?? []
    })
  })
})

/** Two broker orders with one tag must never be: an alarm, and the order is held for a person to look at. */
const makeReportDoubles = Effect.gen(function* () {
  const orders = yield* OrderStore

  return Effect.fnUntraced(function* (slices: ReadonlyArray<UnresolvedSlice | OpenSlice>, book: Book) {
    for (const slice of slices) {
      const brokerOrderIds = book.ordersOf(slice.tag).map((order) => order.brokerOrderId)
      if (brokerOrderIds.length < 2) continue
      const { tag, orderId, id: sliceId } = slice
      const alarm = Effect.logFatal(
        `DOUBLE PLACEMENT: the broker has ${brokerOrderIds.length} orders with tag ${tag}: ${brokerOrderIds.join(", ")}. ` +
          `Its order is on hold. Cancel what is too much by hand at the broker, then run: order resume ${orderId}`
      ).pipe(Effect.annotateLogs({ order_id: orderId, slice_id: sliceId }))
      yield* orders.noteDouble({ tag, orderId, sliceId, brokerOrderIds }, yield* DateTime.now, alarm)
    }
  })
})

/** Settles slices whose outcome is unknown, as far as the book allows. */
const makeResolve = Effect.gen(function* () {
  const config = yield* Configuration
  const broker = yield* Broker
  const slices = yield* SliceStore
  const reported = new Set<string>()

  return Effect.fnUntraced(function* (unresolved: ReadonlyArray<UnresolvedSlice>, book: Book) {
    const at = yield* DateTime.now
    const transitions: Array<SliceTransition> = []
    for (const slice of unresolved) {
      const log = Effect.annotateLogs({
        order_id: slice.orderId,
        slice_id: slice.id,
        request_id: slice.requestId,
        trace_id: slice.traceId
      })
      const lookUp = { ...book, found: book.ordersOf(slice.tag) }
      const result = reconcile(slice, lookUp, { quarantine: broker.quarantine, maxAttempts: config.sliceMaxAttempts })
      if (result._tag === "Unprovable" && !reported.has(slice.id)) {
        reported.add(slice.id)
        yield* Effect.logError(
          "Nobody can tell from the broker's book of today whether this slice was placed: it may have been sent before the " +
            `book began. Look for tag ${slice.tag} in the broker's records, then run: slice placed ${slice.id} ` +
            `BROKER_ORDER --reason WHY, or: slice skip ${slice.id} --reason WHY`
        ).pipe(log)
      }
      if (result._tag === "Resolved") {
        const { next } = result
        yield* Effect.logWarning(
          `Reconciled: ${next._tag === "Processed" ? `the broker has it as ${next.brokerOrderId}` : next.reason}`
        ).pipe(log)
        transitions.push({ slice, next, attempts: slice.attempts, placedAt: null, at })
      }
    }
    if (transitions.length > 0) yield* slices.transition(transitions, [])
  })
})

/** Sends the cancels that operators asked for, each from one monitor only. */
const makeSendCancels = Effect.gen(function* () {
  const broker = yield* Broker
  const slices = yield* SliceStore
  const instance = yield* Instance

  const send = Effect.fnUntraced(function* (slice: OpenSlice) {
    const calledAt = yield* DateTime.now
    const answer: CallAnswer<void> = yield* Effect.exit(broker.cancel(slice.brokerOrderId))
    const at = yield* DateTime.now
    const { outcome, response } = answerOf(answer, () => ({}))
    yield* Effect.logInfo(`Cancel sent to the broker: ${outcome}`, response).pipe(
      Effect.annotateLogs({ order_id: slice.orderId, slice_id: slice.id, broker_order_id: slice.brokerOrderId })
    )
    return {
      id: `${slice.id}:cancel:${DateTime.toEpochMillis(calledAt)}`,
      calledAt,
      durationMillis: DateTime.toEpochMillis(at) - DateTime.toEpochMillis(calledAt),
      broker: broker.name,
      call: "cancel",
      outcome,
      orderId: slice.orderId,
      sliceId: slice.id,
      attempt: null,
      brokerOrderId: slice.brokerOrderId,
      request: { broker_order_id: slice.brokerOrderId },
      response,
      worker: instance.id
    } satisfies BrokerEvent
  })

  return Effect.fnUntraced(function* (open: ReadonlyArray<OpenSlice>) {
    const wanted = open.filter((slice) => slice.isCancelWanted)
    if (wanted.length === 0) return
    const now = yield* DateTime.now
    const mine = new Set(
      yield* slices.claimCancels(
        wanted.map((slice) => slice.id),
        now,
        DateTime.subtractDuration(now, cancelResend)
      )
    )
    const events = yield* Effect.forEach(
      wanted.filter((slice) => mine.has(slice.id)),
      send,
      { concurrency: 8 }
    )
    if (events.length > 0) yield* slices.audit(events)
  })
})
