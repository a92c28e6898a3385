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

/** A broker order as the order list shows it. */
export interface BrokerOrder {
  readonly brokerOrderId: BrokerOrderId
  readonly tag: Tag
  readonly status: BrokerStatus
  /** The broker's own word for the status, with its reason if it gives one. */
  readonly statusText: string
  readonly filledQuantity: number
  /** The average price of the filled quantity; null while nothing is filled. */
  readonly averagePrice: BigDecimal.BigDecimal | null
}

/** An entry of the order list, ours or not, with all its tags. */
export interface OrderListEntry {
  readonly brokerOrderId: BrokerOrderId
  readonly tags: ReadonlyArray<string>
}
