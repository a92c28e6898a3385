import { type BrokerOrder, isTerminal } from "../../src/domain/model/BrokerOrder.ts"
import type { Reason } from "../../src/domain/model/reason.ts"
import type { SliceRow } from "./rows.ts"

/** Makes a slice PROCESSED with a broker order that was found for it, as `foundMoves` does. Its new version fences off its owner. */
export const giveBrokerOrder = (slice: SliceRow, order: BrokerOrder, { code, text }: Reason): void => {
  slice.stage = "PROCESSED"
  slice.isHeld = false
  slice.stageReason = text
  slice.reasonCode = code
  slice.claimVersion += 1
  slice.brokerOrderId = order.brokerOrderId
  slice.brokerStatus = order.status
  slice.brokerStatusText = order.statusText
  slice.brokerIsFinal = isTerminal(order.status)
  slice.filledQuantity = order.filledQuantity
  slice.averagePrice = order.averagePrice ?? slice.averagePrice
}
