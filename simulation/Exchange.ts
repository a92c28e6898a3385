import { BigDecimal } from "effect"
import type { Placement } from "../src/broker/Broker.ts"
import type { BrokerOrder, BrokerStatus } from "../src/domain/model/BrokerOrder.ts"
import { BrokerOrderId, type Tag } from "../src/domain/model/Ids.ts"
import type { SeededChoices } from "./SeededChoices.ts"

/** A change of a broker order: a fill or its end. Times are seconds since the start of the run. */
interface LedgerStep {
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
  /** The order's future as decided on arrival; a cancel replaces the steps that are still to come. The last step is final. */
  steps: ReadonlyArray<LedgerStep>
}

/** The exchange cancels an order that has rested for this long, so that a run ends in minutes. */
const maxRestSeconds = 15

/**
 * The simulated exchange. It records every request that reaches it and does not deduplicate by tag, so a request sent twice is
 * two orders. An order's whole life is drawn from the seed when the order arrives.
 */
export class Exchange {
  readonly ledger: Array<LedgerOrder> = []
  private readonly byTag = new Map<Tag, Array<LedgerOrder>>()
  private readonly chance: SeededChoices

  constructor(chance: SeededChoices) {
    this.chance = chance
  }

  arrive(placement: Placement, atSeconds: number, hiddenSeconds: number): LedgerOrder {
    const order: LedgerOrder = {
      // Numbered in the order of arrival, all of one length, as brokers do.
      brokerOrderId: BrokerOrderId.make(`B${1_000_000 + this.ledger.length}`),
      placement,
      arrivedSeconds: atSeconds,
      visibleSeconds: atSeconds + hiddenSeconds,
      price: BigDecimal.make(BigInt(this.chance.whole(9000, 11_000)), 2),
      steps: this.life(placement, atSeconds)
    }
    this.ledger.push(order)
    this.byTag.set(placement.tag, [...this.ordersOf(placement.tag), order])
    return order
  }

  ordersOf(tag: Tag): ReadonlyArray<LedgerOrder> {
    return this.byTag.get(tag) ?? []
  }

  /** Cancels the unfilled rest of an order; false when the order is finished or not visible yet. */
  cancel(brokerOrderId: BrokerOrderId, atSeconds: number): boolean {
    const order = this.ledger.find((order) => order.brokerOrderId === brokerOrderId)
    if (order === undefined || atSeconds < order.visibleSeconds || isOver(order, atSeconds)) return false
    const { filledQuantity } = stepAt(order, atSeconds)
    order.steps = [
      ...order.steps.filter((step) => step.atSeconds <= atSeconds),
      { atSeconds, status: "CANCELLED", filledQuantity }
    ]
    return true
  }

  private life({ quantity, validity, orderType }: Placement, atSeconds: number): ReadonlyArray<LedgerStep> {
    const { chance } = this
    const received: LedgerStep = { atSeconds, status: "PENDING", filledQuantity: 0 }
    const opensAt = atSeconds + chance.between(0, 0.5)
    if (chance.hits(0.05)) return [received, { atSeconds: opensAt, status: "REJECTED", filledQuantity: 0 }]
    const open: LedgerStep = { atSeconds: opensAt, status: "OPEN", filledQuantity: 0 }
    const fillsAt = opensAt + chance.between(0, 2)
    const isResting = orderType === "LIMIT" ? chance.hits(0.4) : chance.hits(0.05)
    const filled = isResting ? chance.whole(0, quantity - 1) : quantity
    if (filled === quantity) {
      const part = chance.hits(0.3) ? chance.whole(0, quantity - 1) : 0
      const partly: ReadonlyArray<LedgerStep> =
        part > 0 ? [{ atSeconds: fillsAt, status: "PARTIALLY_FILLED", filledQuantity: part }] : []
      const end = fillsAt + chance.between(0, 3)
      return [received, open, ...partly, { atSeconds: end, status: "COMPLETE", filledQuantity: quantity }]
    }
    const partly: LedgerStep = {
      atSeconds: fillsAt,
      status: filled > 0 ? "PARTIALLY_FILLED" : "OPEN",
      filledQuantity: filled
    }
    const end = validity === "IOC" ? fillsAt : fillsAt + chance.between(1, maxRestSeconds)
    return [received, open, partly, { atSeconds: end, status: "CANCELLED", filledQuantity: filled, isExpired: true }]
  }
}

const stepAt = (order: LedgerOrder, atSeconds: number): LedgerStep => {
  const step = order.steps.findLast((step) => step.atSeconds <= atSeconds)
  return step ?? { atSeconds, status: "PENDING", filledQuantity: 0 }
}

export const isOver = (order: LedgerOrder, atSeconds: number): boolean =>
  (order.steps.at(-1)?.atSeconds ?? 0) <= atSeconds

/** The order as the order list showed it at a time. */
export const brokerOrderAt = (order: LedgerOrder, atSeconds: number): BrokerOrder => {
  const { status, filledQuantity, isExpired = false } = stepAt(order, atSeconds)
  return {
    brokerOrderId: order.brokerOrderId,
    tag: order.placement.tag,
    status,
    statusText: status,
    quantity: order.placement.quantity,
    filledQuantity,
    averagePrice: filledQuantity > 0 ? order.price : null,
    isExpired
  }
}

/** The maximum quantity that an order can end up with filled; it counts against the parent order. */
export const exposureOf = (order: LedgerOrder, atSeconds: number): number =>
  isOver(order, atSeconds) ? stepAt(order, atSeconds).filledQuantity : order.placement.quantity
