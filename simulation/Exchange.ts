import { BigDecimal } from "effect"
import type { Placement } from "../src/broker/Broker.ts"
import { asBelieved, type BrokerOrder, isTerminal } from "../src/domain/model/BrokerOrder.ts"
import { BrokerOrderId, type Tag } from "../src/domain/model/Ids.ts"
import { type LedgerOrder, type LedgerStep, stepAt } from "./LedgerOrder.ts"
import { isLate, oddityOf, quantityAt, shownStep, withOddity } from "./oddOrders.ts"
import type { SeededChoices } from "./SeededChoices.ts"

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
  private readonly oddities: SeededChoices
  private readonly oddRate: number

  /** `oddities`: choices of their own for what people and the broker do to orders, in some runs. */
  constructor(chance: SeededChoices, oddities: SeededChoices) {
    this.chance = chance
    this.oddities = oddities
    this.oddRate = oddities.hits(0.25) ? oddities.between(0.1, 0.5) : 0
  }

  arrive(placement: Placement, atSeconds: number, hiddenSeconds: number): LedgerOrder {
    const regular = this.life(placement, atSeconds)
    const oddity = this.oddities.hits(this.oddRate) ? oddityOf(this.oddities, placement, regular) : null
    const order: LedgerOrder = {
      // Numbered in the order of arrival, all of one length, as brokers do.
      brokerOrderId: BrokerOrderId.make(`B${1_000_000 + this.ledger.length}`),
      placement,
      arrivedSeconds: atSeconds,
      visibleSeconds: atSeconds + hiddenSeconds,
      price: BigDecimal.make(BigInt(this.chance.whole(9000, 11_000)), 2),
      oddity,
      steps: withOddity(regular, placement.quantity, oddity)
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
    const ended: ReadonlyArray<LedgerStep> = [
      ...order.steps.filter((step) => step.atSeconds <= atSeconds),
      { atSeconds, status: "CANCELLED", filledQuantity }
    ]
    order.steps = withOddity(ended, order.placement.quantity, isLate(order.oddity) ? order.oddity : null)
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

export const isOver = (order: LedgerOrder, atSeconds: number): boolean =>
  (order.steps.at(-1)?.atSeconds ?? 0) <= atSeconds

/** The order as the order list showed it at a time. */
export const brokerOrderAt = (order: LedgerOrder, atSeconds: number): BrokerOrder => {
  const { status, filledQuantity, isExpired = false } = shownStep(order, atSeconds)
  return asBelieved({
    brokerOrderId: order.brokerOrderId,
    tag: order.placement.tag,
    status,
    statusText: status,
    quantity: quantityAt(order, atSeconds),
    filledQuantity,
    averagePrice: filledQuantity > 0 ? order.price : null,
    isExpired
  })
}

/**
 * The maximum quantity that an order can end up with filled, as far as the service can know; it counts against the parent order. What
 * a person adds to it at the broker, or the broker after its end, does not.
 */
export const exposureOf = (order: LedgerOrder, atSeconds: number): number => {
  const { oddity, placement, steps } = order
  if (oddity?.kind === "resurrected") {
    const end = steps.find(({ status }) => isTerminal(status))
    return end !== undefined && end.atSeconds <= atSeconds ? end.filledQuantity : placement.quantity
  }
  const filled = isOver(order, atSeconds) ? stepAt(order, atSeconds).filledQuantity : placement.quantity
  return Math.min(filled, placement.quantity)
}
