import { Duration } from "effect"
import { placementsAmong } from "../lifecycle/settlement.ts"
import { type BrokerOrder, orderOfUnreadable, type UnreadableOrder } from "../model/BrokerOrder.ts"
import type { BrokerOrderId, OrderId, SliceId, Tag } from "../model/Ids.ts"
import type { ClaimVersion, Stage } from "../model/OrderSlice.ts"

/*
 * A database may forget what it has committed: after a fail-over to a standby that lagged, or when a backup or a snapshot is
 * restored. This module says when a server is not the one that a daemon knows, how long nothing is placed then, and what the
 * broker's order list means for slices whose rows may be older than what was done.
 */

/** Where a server is in its history. `timeline` is 8 hex digits, `logPosition` counts the bytes of its log. */
export interface ServerPosition {
  readonly timeline: string
  /** Null where the database's role may not read it. */
  readonly systemIdentifier: string | null
  readonly logPosition: number
}

/** Why a server whose recorded history is settled lacks what this daemon has seen committed; null if it does not. */
export const whyBehind = (seen: ServerPosition | null, now: ServerPosition): string | null => {
  if (seen === null) return null
  const isSameServer =
    seen.systemIdentifier === null || now.systemIdentifier === null || seen.systemIdentifier === now.systemIdentifier
  if (!isSameServer) return null
  if (now.timeline < seen.timeline) return `it is on timeline ${now.timeline} again, and was on ${seen.timeline}`
  return now.timeline === seen.timeline && now.logPosition < seen.logPosition
    ? `its log is ${seen.logPosition - now.logPosition} bytes shorter than it was`
    : null
}

/** Every living daemon looks within this time, and tells what it knows of halts. */
const everyoneHasLooked = Duration.seconds(30)

/**
 * How long nothing is placed on a history that is not settled. A claim that the database has lost ends with its lease, before
 * which its call ends, and its order is in the list within the quarantine.
 */
export const untilAllArrived = (times: {
  readonly lease: Duration.Duration
  readonly brokerTimeout: Duration.Duration
  readonly quarantine: Duration.Duration
}): Duration.Duration =>
  Duration.max(Duration.sum(Duration.sum(times.lease, times.brokerTimeout), times.quarantine), everyoneHasLooked)

/** What is known of the slice of a tag. */
export interface TaggedSlice {
  readonly id: SliceId
  readonly orderId: OrderId
  readonly tag: Tag
  readonly requestId: string | null
  readonly traceId: string | null
  readonly stage: Stage
  readonly claimVersion: ClaimVersion
  readonly brokerOrderId: BrokerOrderId | null
  /** Other slices stand in for it, wholly or in part. */
  readonly isReplaced: boolean
}

/** A slice that is to take over the broker order which the broker has for it. */
export interface FoundSlice {
  readonly slice: TaggedSlice
  readonly order: BrokerOrder
}

/** A slice for which the broker has more than it should. */
export interface DoubledSlice {
  readonly slice: TaggedSlice
  readonly brokerOrderIds: ReadonlyArray<BrokerOrderId>
}

/** What the broker's orders with tags of ours mean. */
export interface FoundOnList {
  readonly forgotten: ReadonlyArray<FoundSlice>
  readonly doubled: ReadonlyArray<DoubledSlice>
  /** Broker orders of ours that no slice has. */
  readonly orphaned: ReadonlyArray<{ readonly tag: Tag; readonly brokerOrderIds: ReadonlyArray<BrokerOrderId> }>
  /** Rows that may be ours and do not tell which order they are. */
  readonly unclear: ReadonlyArray<UnreadableOrder>
}

/** Compares the slices of tags with the broker's orders for them. */
export const compareWithList = (
  tags: Iterable<Tag>,
  slices: ReadonlyArray<TaggedSlice>,
  ordersOf: (tag: Tag) => ReadonlyArray<BrokerOrder>,
  unreadableOf: (tag: Tag) => ReadonlyArray<UnreadableOrder>
): FoundOnList => {
  const byTag = new Map(slices.map((slice) => [slice.tag, slice]))
  const found = {
    forgotten: new Array<FoundSlice>(),
    doubled: new Array<DoubledSlice>(),
    orphaned: new Array<FoundOnList["orphaned"][number]>(),
    unclear: new Array<UnreadableOrder>()
  }
  for (const tag of tags) {
    const unreadable = unreadableOf(tag)
    const listed = ordersOf(tag)
    const placements = placementsAmong(listed)
    const untold = unreadable.flatMap((row) => orderOfUnreadable(row) ?? [])
    found.unclear.push(...unreadable.filter((row) => orderOfUnreadable(row) === null))
    const orders = [...(placements.length > 0 ? placements : listed), ...untold]
    const [order] = orders
    if (order === undefined) continue
    const slice = byTag.get(tag)
    // Nothing has come of a refused order, and its slice may know that without having its id.
    const isRefused = placements.length === 0 && untold.length === 0
    if (slice !== undefined && isOver(slice) && isRefused) continue
    const refused = new Set(listed.filter((one) => !placements.includes(one)).map(({ brokerOrderId }) => brokerOrderId))
    const known = slice === undefined || slice.brokerOrderId === null ? [] : [slice.brokerOrderId]
    const brokerOrderIds = [
      ...new Set([...known.filter((id) => !refused.has(id)), ...orders.map(({ brokerOrderId }) => brokerOrderId)])
    ]
    if (slice === undefined) found.orphaned.push({ tag, brokerOrderIds })
    else if (brokerOrderIds.length > 1 || (slice.isReplaced && slice.brokerOrderId === null)) {
      found.doubled.push({ slice, brokerOrderIds })
    } else if (slice.brokerOrderId === null) found.forgotten.push({ slice, order })
  }
  return found
}

const isOver = ({ stage }: TaggedSlice): boolean => stage !== "SCHEDULED" && stage !== "IN_PROGRESS"
