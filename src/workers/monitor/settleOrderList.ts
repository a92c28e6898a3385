import { DateTime, Duration, Effect } from "effect"
import { Broker } from "../../broker/Broker.ts"
import { TradingHours } from "../../config/TradingHours.ts"
import {
  differenceKinds,
  differencesOf,
  isInState,
  isOnCourse,
  placementsAmong,
  orderOf,
  type SettledSlice,
  type SliceDifference
} from "../../domain/lifecycle/settlement.ts"
import { mayEndByItself } from "../../domain/market/sessionEnd.ts"
import { type VenueId, venueIds } from "../../domain/market/Venue.ts"
import { isTerminal } from "../../domain/model/BrokerOrder.ts"
import { isTagOfOurs } from "../../domain/model/Ids.ts"
import type { OpenSlice, UnresolvedSlice } from "../../domain/model/OrderSlice.ts"
import { Instance } from "../../runtime/Instance.ts"
import { SettlementStore } from "../../stores/account/SettlementStore.ts"
import { ServerHistory } from "../supervision/ServerHistory.ts"
import { makeAdoptLateArrivals } from "./lateArrivals.ts"
import type { OrderListLookUp } from "./lookUpOrders.ts"
import { type Differing, makeNoteDifferences, type Told } from "./noteDifferences.ts"
import { makeReportDoubles } from "./reportDoubles.ts"

/** How many tags one pass compares; the others follow in the next. */
const maxCompared = 5000
/** How long a difference that usually mends itself has to be there before it is told of. */
const patience = Duration.minutes(1)

/**
 * Compares the broker's order list with every slice that it mentions, final ones too, and with those that it ought to mention. Only
 * what has changed since the last list is read from the database. What the list tells more of than this service knew is adopted or
 * repaired; what should not be is an alarm. The alarm comes before the states of this look are written, so that no new plan
 * answers to them while the order goes on hold. Returns the tags of slices that are still to be judged, of which no state may be
 * written, and what people were told of others, without which none may be.
 */
export const makeSettleOrderList = Effect.gen(function* () {
  const store = yield* SettlementStore
  const compare = yield* makeCompare
  const noted = yield* makeNoteDifferences
  const mend = yield* makeMend
  const reportDoubles = yield* makeReportDoubles
  const history = yield* ServerHistory
  const isDue = makePatience()

  return Effect.fnUntraced(function* (
    unresolved: ReadonlyArray<UnresolvedSlice>,
    open: ReadonlyArray<OpenSlice>,
    orderList: OrderListLookUp
  ) {
    if (!history.isSettled()) compare.forget()
    const { tags, postponed } = compare.tags(yield* noted.tags, { unresolved, open }, orderList)
    const slices = tags.size === 0 ? [] : yield* store.slices([...tags])
    const now = yield* DateTime.now
    const differing = compare.slices(slices, orderList)
    const unknown = unknownAmong(tags, slices, orderList)
    const still = [
      ...differing.map(({ slice, difference }) => `${slice.tag} ${difference.kind}`),
      ...unknown.map(({ tag }) => `${tag} unknown_order`)
    ]
    yield* noted.end(tags, new Set(still), now)
    if (yield* noted.unknown(unknown, now)) for (const { tag } of unknown) compare.agree(tag, orderList)
    const isDouble = ({ difference }: Differing) => difference.kind === "double_placement"
    yield* reportDoubles(
      differing.filter(isDouble).map(({ slice }) => slice),
      orderList
    )
    const failed = yield* noted.slices(isDue(differing, DateTime.toEpochMillis(now)), now)
    const isNoted = ({ slice }: Differing) => !failed.has(slice.tag)
    const told = toldOf(differing)
    yield* mend(differing.filter(isNoted), told, orderList, now)
    for (const { slice, difference } of differing.filter(isNoted)) {
      // It is told of, and what it says is written: it is compared again when its rows change.
      if (differenceKinds[difference.kind].isCritical && isRecorded(slice, orderList))
        compare.agree(slice.tag, orderList)
    }
    yield* noted.show(orderList.problem)
    return { unjudged: new Set([...postponed, ...failed]), told }
  })
})

/** Of several differences of a slice the last, that of its state: the others are still found when that is written. */
const toldOf = (differing: ReadonlyArray<Differing>): Told =>
  new Map(
    differing
      .filter(({ difference: { kind } }) => differenceKinds[kind].isHeld)
      .map(({ slice: { tag }, difference: { kind } }) => [tag, kind])
  )

/** The orders of tags of our form that no slice has. A refused order is no placement of anybody. */
const unknownAmong = (tags: ReadonlySet<string>, slices: ReadonlyArray<SettledSlice>, orderList: OrderListLookUp) => {
  const known = new Set<string>(slices.map(({ tag }) => tag))
  return [...tags]
    .filter((tag) => !known.has(tag) && isTagOfOurs(tag))
    .flatMap((tag) => placementsAmong(orderList.statedOrdersOf(tag)))
}

const isRecorded = (slice: SettledSlice, orderList: OrderListLookUp): boolean => {
  const order = orderOf(orderList.statedOrdersOf(slice.tag), slice.brokerOrderId)
  return order === null || isInState(slice, order)
}

const venueOfSlice = ({ market }: SettledSlice): VenueId | null => venueIds.find((id) => id === market) ?? null

/** Which tags are to be compared, and what differs of their slices. */
const makeCompare = Effect.gen(function* () {
  const broker = yield* Broker
  const { calendar } = yield* TradingHours
  const quarantineMillis = Duration.toMillis(broker.quarantine)
  /** The rows of each tag that agreed with its slice, or whose difference is told of. */
  const agreed = new Map<string, string>()

  const judge = (slice: SettledSlice, orderList: OrderListLookUp) => {
    const isOlderThanList = (slice.acknowledgedMillis ?? 0) < orderList.orderListSinceMillis
    return differencesOf(slice, {
      orders: orderList.statedOrdersOf(slice.tag),
      unreadable: orderList.unreadableOf(slice.tag),
      completeUntilMillis: isOlderThanList ? Number.NEGATIVE_INFINITY : orderList.askedMillis - quarantineMillis,
      mayEndByItself: mayEndByItself(calendar, venueOfSlice(slice), slice.productType, orderList.askedMillis)
    })
  }

  const agree = (tag: string, orderList: OrderListLookUp) => void agreed.set(tag, orderList.signatureOf(tag))

  return {
    agree,

    /** The database may have forgotten what agreed: everything is compared again. */
    forget: () => agreed.clear(),

    /**
     * The tags to compare: of slices that are not over and not on course, of slices that the list ought to have, of those that differed,
     * and of other slices whose rows have changed. `postponed`: those of the next passes.
     */
    tags: (
      differed: ReadonlyArray<string>,
      {
        open,
        unresolved
      }: { readonly open: ReadonlyArray<OpenSlice>; readonly unresolved: ReadonlyArray<UnresolvedSlice> },
      orderList: OrderListLookUp
    ) => {
      const shown = new Set<string>(orderList.tags)
      if (agreed.size > 2 * shown.size) for (const tag of agreed.keys()) if (!shown.has(tag)) agreed.delete(tag)
      const inDoubt = unresolved.filter(({ tag }) => shown.has(tag)).map(({ tag }) => tag)
      const offCourse = open.filter((slice) => {
        const rows = { orders: orderList.statedOrdersOf(slice.tag), unreadable: orderList.unreadableOf(slice.tag) }
        return shown.has(slice.tag)
          ? !isOnCourse(slice, rows)
          : DateTime.toEpochMillis(slice.acknowledgedAt) <= orderList.askedMillis - quarantineMillis
      })
      const active = new Set<string>([...inDoubt, ...open.map(({ tag }) => tag)])
      const isChanged = (tag: string) => !active.has(tag) && agreed.get(tag) !== orderList.signatureOf(tag)
      const all = [
        ...new Set([...inDoubt, ...offCourse.map(({ tag }) => tag), ...differed, ...orderList.tags.filter(isChanged)])
      ]
      return { tags: new Set<string>(all.slice(0, maxCompared)), postponed: all.slice(maxCompared) }
    },

    slices: (slices: ReadonlyArray<SettledSlice>, orderList: OrderListLookUp): ReadonlyArray<Differing> =>
      slices.flatMap((slice) => {
        // A person may have ended a slice that the list does not show.
        const isMeant = ({ kind }: SliceDifference) => kind !== "absent" || !slice.brokerIsFinal
        const differences = judge(slice, orderList).filter(isMeant)
        if (differences.length === 0) agree(slice.tag, orderList)
        return differences.map((difference) => ({ slice, difference }))
      })
  }
})

/**
 * Makes the function that picks what is to be told of: alarms at once, and what usually mends itself when it has been there for
 * {@link patience}. Doubles have a report of their own.
 */
const makePatience = () => {
  let since = new Map<string, number>()
  return (differing: ReadonlyArray<Differing>, nowMillis: number): ReadonlyArray<Differing> => {
    const before = since
    since = new Map()
    return differing.filter(({ slice, difference: { kind } }) => {
      const { isCritical, isPatient } = differenceKinds[kind]
      // What the list has shown before may be missing from an old one.
      const isWaitedFor = isPatient || (kind === "absent" && slice.brokerStatus !== null)
      if (!isWaitedFor) return isCritical && kind !== "double_placement"
      const key = `${slice.tag} ${kind}`
      const first = before.get(key) ?? nowMillis
      since.set(key, first)
      return nowMillis - first >= Duration.toMillis(patience)
    })
  }
}

/**
 * Adopts the orders of slices that were given up or are to be sent, and repairs final slices of which the order list tells more
 * than before. Slices in doubt are the reconciliation's, open ones are followed anyway, and of what the list tells less of than
 * before a person decides.
 */
const makeMend = Effect.gen(function* () {
  const store = yield* SettlementStore
  const instance = yield* Instance
  const adoptLateArrivals = yield* makeAdoptLateArrivals
  const asked = { by: `pulse-background ${instance.id}`, reason: "the broker's order list says so" }

  return Effect.fnUntraced(function* (
    differing: ReadonlyArray<Differing>,
    told: Told,
    orderList: OrderListLookUp,
    now: DateTime.Utc
  ) {
    const isMissed = ({ slice: { stage }, difference: { repair } }: Differing) =>
      repair !== null && stage !== "IN_PROGRESS" && stage !== "PROCESSED"
    yield* adoptLateArrivals(
      differing.filter(isMissed).map(({ slice }) => slice),
      told,
      orderList
    )
    const repairs = differing.flatMap(({ slice, difference: { kind, repair } }) => {
      if (repair === null || !slice.brokerIsFinal || repair.filledQuantity < slice.filledQuantity) return []
      // Only a fill reopens what is over.
      if (!isTerminal(repair.status) && repair.filledQuantity === slice.filledQuantity) return []
      // The list may be an old one. Only a person who looks at the broker's pages knows that it is not.
      return kind !== "behind" && !isInState(slice, repair)
        ? [{ slice, order: repair, noted: told.get(slice.tag) ?? null }]
        : []
    })
    if (repairs.length === 0) return
    yield* store.repair(repairs, asked, now)
  })
})
