import type { BigDecimal } from "effect"
import type { Placement } from "../src/broker/Broker.ts"
import type { BrokerStatus } from "../src/domain/model/BrokerOrder.ts"
import type { BrokerOrderId } from "../src/domain/model/Ids.ts"

/** A change of a broker order: a fill or its end. Times are seconds since the start of the run. */
export interface LedgerStep {
  readonly atSeconds: number
  readonly status: BrokerStatus
  readonly filledQuantity: number
  /** The exchange has ended it by itself, as at the end of a session. */
  readonly isExpired?: boolean
}

/** A broker order in the exchange's ledger. Only the exchange writes it, so the judge takes it for the truth. */
export interface LedgerOrder {
  readonly brokerOrderId: BrokerOrderId
  readonly placement: Placement
  readonly arrivedSeconds: number
  /** Look-ups do not show the order before this time. */
  readonly visibleSeconds: number
  readonly price: BigDecimal.BigDecimal
  readonly oddity: Oddity | null
  /** The order's future as decided on arrival; a cancel replaces the steps that are still to come. The last step is final. */
  steps: ReadonlyArray<LedgerStep>
}

/** What a person does to an order at the broker, or the broker to its own list. */
export type Oddity =
  /** A person cancels it. */
  | { readonly kind: "cancelled by a person"; readonly atSeconds: number }
  /** A person gives it another quantity, which is filled. */
  | { readonly kind: "changed by a person"; readonly atSeconds: number; readonly quantity: number }
  /** It was cancelled, and is complete some seconds later. */
  | { readonly kind: "resurrected"; readonly afterSeconds: number }
  /** Its row is COMPLETE for some seconds before it shows what was filled. */
  | { readonly kind: "contradictory"; readonly forSeconds: number }

export const stepAt = (order: LedgerOrder, atSeconds: number): LedgerStep => {
  const step = order.steps.findLast((step) => step.atSeconds <= atSeconds)
  return step ?? { atSeconds, status: "PENDING", filledQuantity: 0 }
}
