import { DateTime, Duration, Effect, Option } from "effect"
import { Broker } from "../../broker/Broker.ts"
import { TradingHours } from "../../config/TradingHours.ts"
import { answeredRows, type Readable } from "../../db/Readable.ts"
import { isPausedUntil } from "../../domain/lifecycle/pause.ts"
import { isOpenAt } from "../../domain/market/TradingCalendar.ts"
import { venueIds } from "../../domain/market/Venue.ts"
import { isTerminal } from "../../domain/model/BrokerOrder.ts"
import type { OpenSlice, UnresolvedSlice } from "../../domain/model/OrderSlice.ts"
import { RecoveryStore } from "../../stores/slices/RecoveryStore.ts"
import { type BrokerState, SliceStore } from "../../stores/slices/SliceStore.ts"
import { makeHoldRefused } from "../executor/holdRefused.ts"
import { Lookout } from "../supervision/Lookout.ts"
import { makeAdoptLateArrivals, makeEscalateLost } from "./lateArrivals.ts"
import { makeLookUp } from "./lookUpOrders.ts"
import { makeReconcileInDoubt } from "./reconcileInDoubt.ts"
import { makeReportDoubles } from "./reportDoubles.ts"
import { makeReportUnreadable } from "./reportUnreadable.ts"
import { makeSendCancels } from "./sendCancels.ts"
import { makeSettleOrderList } from "./settleOrderList.ts"
import { watchedSince } from "./watchedSince.ts"
import { writeApart } from "./writeApart.ts"

/** How many slices one look-up asks for. If more are open, each pass continues where the last one stopped. */
const maxLookup = 5000
/** How often the order list is read if nothing is open or in doubt. */
const pauseAtRest = Duration.minutes(1)
/** The same while a market is open and the list has orders of ours: what is final may change all the same. */
const pauseWhileListed = Duration.seconds(10)

/**
 * One pass over every slice whose broker order is unknown or may still change, and over whatever else the order list has of ours:
 * one look-up for all of them, alarms for doubles, settlement, reconciliation, late arrivals, broker states, and then the cancels that
 * are wanted.
 */
export const makeFollowBroker = Effect.gen(function* () {
  const broker = yield* Broker
  const slices = yield* SliceStore
  const recovery = yield* RecoveryStore
  const lookUp = yield* makeLookUp
  const reportUnreadable = yield* makeReportUnreadable
  const reportDoubles = yield* makeReportDoubles
  const settle = yield* makeSettleOrderList
  const reconcileInDoubt = yield* makeReconcileInDoubt
  const adoptLateArrivals = yield* makeAdoptLateArrivals
  const escalateLost = yield* makeEscalateLost
  const sendCancels = yield* makeSendCancels
  const holdRefused = yield* makeHoldRefused
  const { calendar } = yield* TradingHours
  const lookout = yield* Lookout
  const isAnyMarketOpen = (now: DateTime.Utc) =>
    calendar === null || venueIds.some((venue) => isOpenAt(calendar, venue, DateTime.toEpochMillis(now)))
  let lastFollowed: OpenSlice | null = null
  let nextAtRestMillis = 0

  return Effect.gen(function* () {
    const now = yield* DateTime.now
    const unresolved = yield* slices.unresolved(now, maxLookup)
    const open: Readable<OpenSlice> = yield* slices.open(lastFollowed, maxLookup, now)
    lastFollowed = answeredRows(open) === maxLookup ? (open.at(-1) ?? null) : null
    const doubted = yield* recovery.previouslyInDoubt(watchedSince(broker, now), maxLookup)
    const nowMillis = DateTime.toEpochMillis(now)
    const isAtRest = unresolved.length === 0 && open.length === 0
    const isAwaited = doubted.length > 0 || broker.listsAll
    if (isAtRest && (!isAwaited || isPausedUntil(nowMillis, nextAtRestMillis, Duration.toMillis(pauseAtRest)))) return

    const all = [...unresolved, ...open, ...doubted]
    const looked = yield* lookUp(new Set(all.map((slice) => slice.tag)))
    if (Option.isNone(looked)) return yield* sendCancels(open, false)
    const orderList = looked.value
    const isListed = broker.listsAll && orderList.tags.length > 0 && isAnyMarketOpen(now)
    nextAtRestMillis = nowMillis + Duration.toMillis(isListed ? pauseWhileListed : pauseAtRest)
    if (isListed) yield* lookout.note("placed")
    yield* reportUnreadable(all, orderList)
    yield* reportDoubles(all, orderList)
    const { told, unjudged } = yield* settle(unresolved, open, orderList)
    const isJudged = ({ tag }: { readonly tag: string }) => !unjudged.has(tag)
    yield* reconcileInDoubt(unresolved.filter(isJudged), orderList)
    yield* adoptLateArrivals(doubted.filter(isJudged), told, orderList)

    const states = open.filter(isJudged).flatMap((slice): ReadonlyArray<BrokerState> => {
      const state = orderList.ordersOf(slice.tag).find((order) => order.brokerOrderId === slice.brokerOrderId)
      return state === undefined ? [] : [{ slice, state, noted: told.get(slice.tag) ?? null }]
    })
    yield* writeApart(states, (some) => Effect.flatMap(DateTime.now, (at) => slices.saveBrokerStates(some, at)))
    const shown = new Set(states.map(({ slice }) => slice.id))
    const unshown = open.filter(({ id }) => !shown.has(id))
    const isUnreadable = ({ tag }: OpenSlice) => orderList.unreadableOf(tag).length > 0
    yield* escalateLost(
      unshown.filter((slice) => !isUnreadable(slice)),
      orderList
    )
    yield* sendCancels(
      states.flatMap(({ slice, state }) => (isTerminal(state.status) ? [] : [slice])),
      true
    )
    yield* sendCancels(unshown.filter(isUnreadable), false)
    const isRefused = ({ tag }: UnresolvedSlice | OpenSlice) =>
      orderList.ordersOf(tag).some(({ status }) => status === "REJECTED")
    yield* holdRefused(new Set([...unresolved, ...open].filter(isRefused).map(({ orderId }) => orderId)))
  })
})
