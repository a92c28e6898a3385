import { BigDecimal, Schema } from "effect"
import {
  type BrokerOrder,
  brokerOrderIdsOf,
  type FoundOrders,
  isTerminal,
  type OrderListEntries,
  type OrderListEntry,
  type UnreadableEntry,
  type UnreadableOrder
} from "../model/BrokerOrder.ts"
import { BrokerOrderId, OrderId, SliceId, Tag } from "../model/Ids.ts"
import { ClaimVersion, Stage } from "../model/OrderSlice.ts"

/** A slice as the database has it at the end of a day. A repair is written only if the slice is unchanged since. */
export const ReconciledSlice = Schema.Struct({
  id: SliceId,
  orderId: OrderId,
  sequenceNumber: Schema.Int,
  tag: Tag,
  stage: Stage,
  claimVersion: ClaimVersion,
  /** The plan whose slices replace it. */
  replacedBy: Schema.NullOr(Schema.Int),
  /** How much of its quantity later slices took over. */
  carriedQuantity: Schema.Int,
  quantity: Schema.Int,
  brokerOrderId: Schema.NullOr(BrokerOrderId),
  brokerStatus: Schema.NullOr(Schema.String),
  brokerIsFinal: Schema.Boolean,
  filledQuantity: Schema.Int,
  averagePrice: Schema.NullOr(Schema.BigDecimalFromString)
})
export type ReconciledSlice = typeof ReconciledSlice.Type

/** A slice that differs from the broker's order list. */
export interface Difference {
  readonly slice: ReconciledSlice
  readonly text: string
  /** The broker order that a repair writes to the slice; null if only a person can decide. */
  readonly repair: BrokerOrder | null
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
  slices: ReadonlyArray<ReconciledSlice>,
  ours: FoundOrders,
  all: OrderListEntries
): DayReconciliation => {
  const known = new Set<string>(slices.map(({ tag }) => tag))
  const byTag = Map.groupBy(ours.orders, (order) => order.tag)
  const unreadableByTag = Map.groupBy(ours.unreadable, (row) => row.tag)
  const differences = slices.flatMap((slice): ReadonlyArray<Difference> => {
    const found = differenceOf(slice, byTag.get(slice.tag) ?? [], unreadableByTag.get(slice.tag) ?? [])
    return found === null ? [] : [{ slice, ...found }]
  })
  const isOpen = ({ brokerStatus }: ReconciledSlice) =>
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

const differenceOf = (
  slice: ReconciledSlice,
  orders: ReadonlyArray<BrokerOrder>,
  unreadable: ReadonlyArray<UnreadableOrder>
): { readonly text: string; readonly repair: BrokerOrder | null } | null => {
  const [order] = orders
  const ids = brokerOrderIdsOf([...orders, ...unreadable])
  if (ids.length > 1) return { text: `PLACED ${ids.length} TIMES: ${ids.join(", ")}`, repair: null }
  const odd = unreadable.find(({ brokerOrderId }) => order === undefined || brokerOrderId !== order.brokerOrderId)
  if (odd !== undefined) {
    const which = odd.brokerOrderId === null ? "" : ` for ${odd.brokerOrderId}`
    return { text: `the order list has a row of it${which} that cannot be read: ${odd.problem}`, repair: null }
  }
  if (order === undefined) {
    if (slice.stage === "PROCESSED") return { text: `${slice.brokerOrderId} is not in the order list`, repair: null }
    return slice.stage === "IN_PROGRESS" ? { text: "still in doubt, and not in the order list", repair: null } : null
  }
  if (slice.replacedBy !== null) {
    return {
      text: `replaced by plan ${slice.replacedBy}, but the broker has it as ${order.brokerOrderId}`,
      repair: null
    }
  }
  const { carriedQuantity } = slice
  if (slice.stage !== "PROCESSED" && carriedQuantity > 0) {
    return {
      text: `${slice.stage} here, and later slices took over ${carriedQuantity} of it, but the broker has it as ${order.brokerOrderId}`,
      repair: null
    }
  }
  if (slice.stage !== "PROCESSED") {
    return { text: `${slice.stage} here, but the broker has it as ${order.brokerOrderId}`, repair: order }
  }
  if (slice.brokerOrderId !== order.brokerOrderId) {
    return { text: `${slice.brokerOrderId} here, ${order.brokerOrderId} in the order list`, repair: null }
  }
  if (storyOf(slice) === storyOf(order, slice)) return null
  const text = `${storyOf(slice)} here, ${storyOf(order, slice)} in the order list`
  // A further fill would be placed twice, because later slices took over this quantity.
  const isTwice = carriedQuantity > 0 && (order.filledQuantity > slice.filledQuantity || !isTerminal(order.status))
  return isTwice
    ? { text: `${text}; later slices took over ${carriedQuantity} of it`, repair: null }
    : { text, repair: order }
}

/** The state of an order in words: `COMPLETE, 100 filled at 10.5`. */
const storyOf = (
  said: ReconciledSlice | BrokerOrder,
  like: Pick<ReconciledSlice, "averagePrice"> | null = null
): string => {
  const status = "status" in said ? said.status : (said.brokerStatus ?? "nothing known")
  // The database stores four decimals.
  const price =
    said.averagePrice === null ? (like?.averagePrice ?? null) : BigDecimal.round(said.averagePrice, { scale: 4 })
  const at = price === null || said.filledQuantity === 0 ? "" : ` at ${BigDecimal.format(BigDecimal.normalize(price))}`
  return `${status}, ${said.filledQuantity} filled${at}`
}
