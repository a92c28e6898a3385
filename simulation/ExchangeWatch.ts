import type { Evidence, Send } from "./Evidence.ts"
import { exposureOf } from "./Exchange.ts"
import type { LedgerOrder } from "./LedgerOrder.ts"

/** Judges what reaches the exchange: one broker order for each tag, and never more exposure than the ordered quantity. */
export class ExchangeWatch {
  private readonly evidence: Evidence

  constructor(evidence: Evidence) {
    this.evidence = evidence
  }

  refused(send: Send): void {
    send.state = "refused"
    this.evidence.world.traced?.(() => `the exchange refuses ${send.placement.tag}`)
  }

  arrived(send: Send, order: LedgerOrder): void {
    const { world, exchange, database, sends } = this.evidence
    send.state = "arrived"
    send.order = order
    const { orderId, placement } = send
    const { tag } = placement
    world.traced?.(() => `the exchange has ${tag} as ${order.brokerOrderId}`)
    const count = exchange.ordersOf(tag).length
    if (count > 1) this.evidence.reportViolation(`DOUBLE: ${tag} of ${orderId} has ${count} broker orders`)
    const total = database.tables().orders.get(orderId)?.totalQuantity ?? 0
    const exposure = sends
      .filter((other) => other.orderId === orderId)
      .reduce((sum, { order }) => sum + (order === null ? 0 : exposureOf(order, world.seconds)), 0)
    if (exposure > total) this.evidence.reportViolation(`${orderId} wants ${total}, but ${exposure} may be filled`)
  }
}
