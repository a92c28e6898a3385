import { type BigDecimal, Schema } from "effect"
import type { BrokerOrderId, Tag } from "./Ids.ts"

/** The broker has our order. It may still be rejected. */
export interface Acknowledgement {
  readonly brokerOrderId: BrokerOrderId
}

/** The state of a broker order. UNRECOGNISED stands for a status word that we do not know; it is never terminal. */
export const BrokerStatus = Schema.Literals([
  "PENDING",
  "OPEN",
  "PARTIALLY_FILLED",
  "COMPLETE",
  "CANCELLED",
  "REJECTED",
  "UNRECOGNISED"
])
export type BrokerStatus = typeof BrokerStatus.Type

export const isTerminal = (status: BrokerStatus): boolean =>
  status === "COMPLETE" || status === "CANCELLED" || status === "REJECTED"

/** What a broker order says of itself that cannot be true, in words; null if nothing is. */
export const contradictionIn = ({
  status,
  quantity,
  filledQuantity
}: Pick<BrokerOrder, "status" | "quantity" | "filledQuantity">): string | null => {
  if (quantity !== null && filledQuantity > quantity) return `${filledQuantity} of ${quantity} filled`
  if (status === "REJECTED" && filledQuantity > 0) return `REJECTED with ${filledQuantity} filled`
  if (status !== "COMPLETE") return null
  if (filledQuantity === 0) return "COMPLETE with nothing filled"
  return quantity !== null && filledQuantity < quantity ? `COMPLETE with ${filledQuantity} of ${quantity} filled` : null
}

/** A broker order as the order list shows it. */
export interface BrokerOrder {
  readonly brokerOrderId: BrokerOrderId
  readonly tag: Tag
  readonly status: BrokerStatus
  /** The broker's own word for the status, with its reason if it gives one. */
  readonly statusText: string
  /** How much the broker is to buy or sell in all; null if its row does not tell. */
  readonly quantity: number | null
  readonly filledQuantity: number
  /** The average price of the filled quantity; null while nothing is filled, or while it is not known. */
  readonly averagePrice: BigDecimal.BigDecimal | null
  /** What its row says that cannot be true. */
  readonly contradiction?: string
  /** The exchange has ended it with its session, which nobody asked for. */
  readonly isExpired?: boolean
}

/**
 * An order as it may be believed: one that contradicts itself is not final, whatever its status says, because its next row may say
 * something else.
 */
export const asBelieved = (order: BrokerOrder): BrokerOrder => {
  const contradiction = contradictionIn(order)
  if (contradiction === null) return order
  return { ...order, status: "UNRECOGNISED", contradiction }
}

/** A row of the order list that belongs to a tag, or may belong to it, and cannot be read. */
export interface UnreadableOrder {
  readonly tag: Tag
  /** Null if the row does not tell it. */
  readonly brokerOrderId: BrokerOrderId | null
  /** Whether the row names the tag as its own; otherwise the tag only occurs somewhere in it. */
  readonly isCertain: boolean
  /** What is wrong with the row, in words that are safe to show. */
  readonly problem: string
}

/** The order of a row that tells which order it is, but not its state; null for any other row. */
export const orderOfUnreadable = ({ brokerOrderId, isCertain, tag }: UnreadableOrder): BrokerOrder | null =>
  brokerOrderId === null || !isCertain
    ? null
    : {
        brokerOrderId,
        tag,
        status: "UNRECOGNISED",
        statusText: "its row in the order list cannot be read",
        quantity: null,
        filledQuantity: 0,
        averagePrice: null
      }

/**
 * The answer of a look-up by tag. An unreadable row says nothing about the state of its order, and it does not prove that
 * there is none.
 */
export interface FoundOrders {
  readonly orders: ReadonlyArray<BrokerOrder>
  readonly unreadable: ReadonlyArray<UnreadableOrder>
}

/** The broker orders, each once, that the rows of one tag name. More than one means that a slice was placed twice. */
export const brokerOrderIdsOf = (
  rows: ReadonlyArray<Pick<UnreadableOrder, "brokerOrderId">>
): ReadonlyArray<BrokerOrderId> => [
  ...new Set(rows.flatMap(({ brokerOrderId }) => (brokerOrderId === null ? [] : [brokerOrderId])))
]

/** An entry of the order list, ours or not, with all its tags. */
export interface OrderListEntry {
  readonly brokerOrderId: BrokerOrderId
  readonly tags: ReadonlyArray<string>
}

/** A row of the order list that does not tell which order it is. */
export interface UnreadableEntry {
  /** Its place in the list, from 1. */
  readonly place: number
  /** The tags that it may have. */
  readonly tags: ReadonlyArray<string>
  readonly problem: string
}

/** The whole order list. */
export interface OrderListEntries {
  readonly entries: ReadonlyArray<OrderListEntry>
  readonly unreadable: ReadonlyArray<UnreadableEntry>
}
