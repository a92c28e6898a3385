import { Clock, DateTime, Duration, Effect, Exit, Option } from "effect"
import { Broker } from "../broker/Broker.ts"
import { Configuration } from "../config/Configuration.ts"
import type { DbError } from "../db/DbError.ts"
import { windowOver } from "../domain/lifecycle/placement.ts"
import { reconcile } from "../domain/lifecycle/reconciliation.ts"
import { isTerminal } from "../domain/model/BrokerOrder.ts"
import type { PreviouslyInDoubtSlice, OpenSlice, SliceTransition, UnresolvedSlice } from "../domain/model/OrderSlice.ts"
import { annotateOrder, annotateSlice } from "../runtime/annotate.ts"
import { HeartbeatStore } from "../stores/operations/HeartbeatStore.ts"
import { OrderStore } from "../stores/orders/OrderStore.ts"
import { DoubtStore } from "../stores/slices/DoubtStore.ts"
import { OverdueStore } from "../stores/slices/OverdueStore.ts"
import { type BrokerState, SliceStore } from "../stores/slices/SliceStore.ts"
import { WatchStore } from "../stores/slices/WatchStore.ts"
import { Telemetry } from "../telemetry/Telemetry.ts"
import { makeFollowQuotes } from "./monitor/followQuotes.ts"
import { makeFollowThrough } from "./monitor/followThrough.ts"
import { makeEscalateLost, makeAdoptLateArrivals } from "./monitor/lateArrivals.ts"
import { type OrderList, makeLookUp } from "./monitor/lookUpOrders.ts"
import { makeRemind } from "./monitor/reminders.ts"
import { makeSendCancels } from "./monitor/sendCancels.ts"
import { tick } from "./supervision/supervision.ts"
import { WorkerStatus } from "./supervision/WorkerStatus.ts"

/** How many slices one look-up asks for. With more than that open, each poll goes on where the last one stopped. */
const maxLookup = 5000
/** So long after an outcome was unknown its order is still looked for, whatever became of the slice. */
const watchPreviouslyInDoubt = Duration.days(1)
/** When nothing else has to be looked up, the book is read for these so often only. */
const pauseForDoubtsAlone = Duration.minutes(1)
/** However many hints the broker gives, its book is not read more often. */
const shortestPause = Duration.seconds(1)
/** So many are skipped by one statement. */
const maxSkipped = 1000
const keepStaleHeartbeats = Duration.days(1)

/**
 * Recovers what got stuck and follows what was placed. Every BROKER_POLL_INTERVAL_SECONDS, or sooner when the broker hints
 * at a change, it looks whether anything is under way: if anything waits for the broker's word, one look-up for all slices that are open or whose outcome is unknown,
 * then the cancels that are wanted; then new plans for orders whose day does not go to plan. Every
 * TIMEOUT_MONITOR_POLL_INTERVAL_SECONDS: splits that got stuck, slices whose window is over. Once a day: reminders of what people have to see to. Beside that, quotes, when a limit
 * needs them.
 */
export const TimeoutMonitor = Effect.gen(function* () {
  const config = yield* Configuration
  const status = yield* WorkerStatus
  const broker = yield* Broker
  const followBroker = yield* makeFollowBroker
  const followThrough = yield* makeFollowThrough
  const sweep = yield* makeSweep
  const remind = yield* makeRemind
  const followQuotes = yield* makeFollowQuotes
  const watch = yield* WatchStore
  let nextSweepMillis = 0

  const follow = Effect.gen(function* () {
    const now = yield* DateTime.now
    const waiting = yield* watch.look({ now, doubtedSince: watchedSince(broker, now) })
    // What the broker's word changes may want a new plan at once.
    if (waiting.forBroker) yield* doAll([followBroker, followThrough])
    else if (waiting.forPlan) yield* followThrough
  })

  const sweepWhenDue = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    if (now < nextSweepMillis) return
    yield* sweep
    nextSweepMillis = now + Duration.toMillis(config.timeoutMonitorPollInterval)
  })

  const interval = Duration.min(config.brokerPollInterval, config.timeoutMonitorPollInterval)
  const pause = Duration.min(interval, shortestPause)
  const untilNext = Effect.raceFirst(Effect.sleep(Duration.subtract(interval, pause)), broker.changed)
  const poll = tick(status, "monitor", doAll([follow, sweepWhenDue, remind])).pipe(
    Effect.andThen(Effect.sleep(pause)),
    Effect.andThen(untilNext),
    Effect.forever
  )
  return yield* Effect.raceFirst(poll, followQuotes)
})

/** One that fails does not keep the others from being done. */
const doAll = <E, R>(tasks: ReadonlyArray<Effect.Effect<void, E, R>>): Effect.Effect<void, E, R> =>
  Effect.forEach(tasks, (task) => Effect.exit(task)).pipe(Effect.flatMap((exits) => Exit.asVoidAll(exits)))

/** From there on a doubt may still come to light in the broker's book. */
const watchedSince = (broker: Broker["Service"], now: DateTime.Utc): DateTime.Utc =>
  DateTime.max(broker.orderListSince(now), DateTime.subtractDuration(now, watchPreviouslyInDoubt))

/** Some at a time until there are no more, and a line for each. */
const skipAll = (skipSome: Effect.Effect<ReadonlyArray<string>, DbError>, log: Effect.Effect<void>) =>
  skipSome.pipe(
    Effect.tap((ids) => Effect.forEach(ids, (id) => annotateSlice({ id })(log), { discard: true })),
    Effect.repeat({ while: (ids) => ids.length === maxSkipped })
  )

/** One pass over everything that is stuck for reasons of our own. */
export const makeSweep = Effect.gen(function* () {
  const config = yield* Configuration
  const orders = yield* OrderStore
  const overdue = yield* OverdueStore
  const heartbeats = yield* HeartbeatStore
  const telemetry = yield* Telemetry

  return Effect.gen(function* () {
    const now = yield* DateTime.now
    const stuck = yield* orders.releaseStuck({
      now,
      claimedBefore: DateTime.subtractDuration(now, config.orderSplitTimeout),
      maxAttempts: config.orderSplitMaxAttempts
    })
    for (const order of stuck) {
      yield* Effect.logError(`The order is ${order.orderQueueStatus} now: ${order.statusReason ?? ""}`).pipe(
        annotateOrder(order)
      )
    }
    const skipStale = Effect.tap(overdue.skipStale(now, windowOver, maxSkipped), ({ length }) =>
      Effect.sync(() => telemetry.skipped("window_over", length))
    )
    yield* skipAll(skipStale, Effect.logError(`Slice skipped: ${windowOver}`))
    const skipCancelled = Effect.tap(overdue.skipCancelled(now, maxSkipped), ({ length }) =>
      Effect.sync(() => telemetry.skipped("order_cancelled", length))
    )
    yield* skipAll(skipCancelled, Effect.logInfo("Slice skipped: its order was cancelled"))
    yield* heartbeats.forget(DateTime.subtractDuration(now, keepStaleHeartbeats))
  })
})

/** One pass over everything that waits for the broker's word. */
export const makeFollowBroker = Effect.gen(function* () {
  const broker = yield* Broker
  const slices = yield* SliceStore
  const doubts = yield* DoubtStore
  const lookUp = yield* makeLookUp
  const reportDoubles = yield* makeReportDoubles
  const resolve = yield* makeResolve
  const adoptLateArrivals = yield* makeAdoptLateArrivals
  const leaveToPeople = yield* makeEscalateLost
  const sendCancels = yield* makeSendCancels
  let lastFollowed: OpenSlice | null = null
  let nextForDoubtsAlone = DateTime.makeUnsafe(0)

  return Effect.gen(function* () {
    const now = yield* DateTime.now
    const unresolved = yield* slices.unresolved(now, maxLookup)
    const open: ReadonlyArray<OpenSlice> = yield* slices.open(lastFollowed, maxLookup, now)
    lastFollowed = open.length === maxLookup ? (open.at(-1) ?? null) : null
    const doubted = yield* doubts.previouslyInDoubt(watchedSince(broker, now), maxLookup)
    const isDoubtAlone = unresolved.length === 0 && open.length === 0
    if (isDoubtAlone && (doubted.length === 0 || DateTime.isLessThan(now, nextForDoubtsAlone))) return

    const looked = yield* lookUp(new Set([...unresolved, ...open, ...doubted].map((slice) => slice.tag)))
    if (Option.isNone(looked)) return yield* sendCancels(open, false)
    const book = looked.value
    nextForDoubtsAlone = DateTime.addDuration(now, pauseForDoubtsAlone)
    yield* reportDoubles([...unresolved, ...open, ...doubted], book)
    yield* resolve(unresolved, book)
    yield* adoptLateArrivals(doubted, book)

    const states = open.flatMap((slice): ReadonlyArray<BrokerState> => {
      const state = book.ordersOf(slice.tag).find((order) => order.brokerOrderId === slice.brokerOrderId)
      return state === undefined ? [] : [{ slice, state }]
    })
    if (states.length > 0) yield* slices.saveBrokerStates(states, yield* DateTime.now)
    const shown = new Set(states.map(({ slice }) => slice.id))
    yield* leaveToPeople(
      open.filter(({ id }) => !shown.has(id)),
      book
    )
    yield* sendCancels(
      states.flatMap(({ slice, state }) => (isTerminal(state.status) ? [] : [slice])),
      true
    )
  })
})

/** Two broker orders with one tag must never be: an alarm, and the order is held for a person to look at. */
const makeReportDoubles = Effect.gen(function* () {
  const orders = yield* OrderStore
  const telemetry = yield* Telemetry

  return Effect.fnUntraced(function* (
    slices: ReadonlyArray<UnresolvedSlice | OpenSlice | PreviouslyInDoubtSlice>,
    book: OrderList
  ) {
    for (const slice of slices) {
      const brokerOrderIds = book.ordersOf(slice.tag).map((order) => order.brokerOrderId)
      if (brokerOrderIds.length < 2) continue
      const { tag, orderId, id: sliceId } = slice
      const reason = `the broker has ${brokerOrderIds.length} orders with tag ${tag}`
      const alarm = Effect.logFatal(
        `DOUBLE PLACEMENT: ${reason}: ${brokerOrderIds.join(", ")}. ` +
          `Its order is on hold. Cancel what is too much by hand at the broker, then run: order resume ${orderId}`
      ).pipe(
        annotateSlice(slice),
        Effect.tap(() => Effect.sync(telemetry.doublePlacement))
      )
      yield* orders.noteDouble({ tag, orderId, sliceId, brokerOrderIds, reason }, yield* DateTime.now, alarm)
    }
  })
})

/** Settles slices whose outcome is unknown, as far as the book allows. */
const makeResolve = Effect.gen(function* () {
  const config = yield* Configuration
  const broker = yield* Broker
  const slices = yield* SliceStore
  const telemetry = yield* Telemetry
  const reported = new Set<string>()

  return Effect.fnUntraced(function* (unresolved: ReadonlyArray<UnresolvedSlice>, book: OrderList) {
    const at = yield* DateTime.now
    const transitions: Array<SliceTransition> = []
    for (const slice of unresolved) {
      const log = annotateSlice(slice)
      const lookUp = { ...book, found: book.ordersOf(slice.tag) }
      const result = reconcile(slice, lookUp, { quarantine: broker.quarantine, maxAttempts: config.sliceMaxAttempts })
      if (result._tag === "Unprovable" && !reported.has(slice.id)) {
        reported.add(slice.id)
        telemetry.doubted("unprovable")
        yield* Effect.logError(
          "Nobody can tell from the broker's book of today whether this slice was placed: it may have been sent before the " +
            `book began. Look for tag ${slice.tag} in the broker's records, then run: slice placed ${slice.id} ` +
            `BROKER_ORDER --filled QUANTITY --price PRICE --reason WHY, or: slice skip ${slice.id} --reason WHY`
        ).pipe(log)
      }
      if (result._tag === "Resolved") {
        const { next } = result
        yield* Effect.logWarning(
          `Reconciled: ${next._tag === "Processed" ? `the broker has it as ${next.brokerOrderId}` : next.reason}`
        ).pipe(log)
        transitions.push({ slice, next, attempts: slice.attempts, placedAt: null, at })
        telemetry.reconciled(slice, next, { beganMillis: book.askedMillis, endedMillis: DateTime.toEpochMillis(at) })
      }
    }
    if (transitions.length > 0) yield* slices.transition(transitions, [])
  })
})
