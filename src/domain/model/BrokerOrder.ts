import { type BigDecimal, Schema } from "effect"
import type { BrokerOrderId, Tag } from "./Ids.ts"

/** "The broker has our order." No more than that: it may still be rejected. */
export interface Acknowledgement {
  readonly brokerOrderId: BrokerOrderId
}

/** What became of a broker order. UNRECOGNISED is a status word we do not know; it is never terminal. */
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

/** A broker order as the broker's book shows it. */
export interface BrokerOrder {
  readonly brokerOrderId: BrokerOrderId
  readonly tag: Tag
  readonly status: BrokerStatus
  /** The broker's own word for the status, and its reason where it gives one. */
  readonly statusText: string
  readonly filledQuantity: number
  /** Of what is filled; null while nothing is. */
  readonly averagePrice: BigDecimal.BigDecimal | null
}

/** An order in the broker's book, whoever placed it, with every word that is written on it as a tag. */
export interface OrderListEntry {
  readonly brokerOrderId: BrokerOrderId
  readonly tags: ReadonlyArray<string>
}
