import type { FoundOrders, OrderListEntries, OrderListEntry, UnreadableEntry } from "../model/BrokerOrder.ts"
import { differencesOf, type SettledSlice, type SliceDifference } from "./settlement.ts"

/** A slice that differs from the broker's order list. */
export interface Difference extends SliceDifference {
  readonly slice: SettledSlice
}

export interface DayReconciliation {
  /** How many slices agree with the order list. */
  readonly agreed: number
  /** Of these, how many broker orders may still change. */
  readonly open: number
  readonly differences: ReadonlyArray<Difference>
  /** Broker orders without a slice of ours. */
  readonly foreign: ReadonlyArray<OrderListEntry>
  /** Rows that do not tell which order they are: with one, the comparison is incomplete. */
  readonly unreadable: ReadonlyArray<UnreadableEntry>
}

/**
 * Compares a day's slices, and all others that the order list mentions, with the broker's whole order list of that day. Every
 * broker order must belong to exactly one slice or be foreign, and every slice must agree with its broker order. A row that cannot
 * be read concerns its own slice only. The command `settle` calls it.
 */
export const reconcileDay = (
  slices: ReadonlyArray<SettledSlice>,
  ours: FoundOrders,
  all: OrderListEntries
): DayReconciliation => {
  const known = new Set<string>(slices.map(({ tag }) => tag))
  const byTag = Map.groupBy(ours.orders, (order) => order.tag)
  const unreadableByTag = Map.groupBy(ours.unreadable, (row) => row.tag)
  const differences = slices.flatMap((slice): ReadonlyArray<Difference> => {
    const [found] = differencesOf(slice, {
      orders: byTag.get(slice.tag) ?? [],
      unreadable: unreadableByTag.get(slice.tag) ?? [],
      // A person who asks is told of whatever differs at this moment.
      completeUntilMillis: Number.POSITIVE_INFINITY,
      mayEndByItself: true
    })
    return found === undefined ? [] : [{ slice, ...found }]
  })
  const isOpen = ({ brokerStatus }: SettledSlice) =>
    brokerStatus !== null && !["COMPLETE", "CANCELLED", "REJECTED"].includes(brokerStatus)
  const differing = new Set(differences.map(({ slice }) => slice.id))
  return {
    agreed: slices.length - differences.length,
    open: slices.filter((slice) => slice.stage === "PROCESSED" && !differing.has(slice.id) && isOpen(slice)).length,
    differences,
    foreign: all.entries.filter(({ tags }) => !tags.some((tag) => known.has(tag))),
    unreadable: all.unreadable
  }
}
