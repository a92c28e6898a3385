import type { BrokerOrderId } from "../src/domain/model/Ids.ts"
import type { SeededChoices } from "./SeededChoices.ts"

/** Why the exchange refuses a cancel: the order "is being processed", or it takes nothing from the address of the daemon. */
export type CancelRefusal = "being processed" | "address"

/** The longest time for which the cancels of an order, or those of an address, are refused. */
const maxSeconds = 40

/**
 * The cancels that the exchange refuses, each for a while: an order whose cancel is refused once is refused again until then. Its own
 * random stream keeps the seeds from before it as they were.
 */
export class CancelRefusals {
  private readonly ordersUntil = new Map<BrokerOrderId, number>()
  private addressUntil = 0
  private readonly chance: SeededChoices

  constructor(chance: SeededChoices) {
    this.chance = chance
  }

  /** The refusal of a cancel that arrives now, by the given rates at which refusals begin; null for none. */
  next(
    brokerOrderId: BrokerOrderId,
    atSeconds: number,
    rates: { readonly refused: number; readonly address: number }
  ): CancelRefusal | null {
    const { chance } = this
    if (chance.hits(rates.address)) this.addressUntil = Math.max(this.addressUntil, atSeconds + chance.upTo(maxSeconds))
    if (chance.hits(rates.refused)) {
      const until = Math.max(this.ordersUntil.get(brokerOrderId) ?? 0, atSeconds + chance.upTo(maxSeconds))
      this.ordersUntil.set(brokerOrderId, until)
    }
    if (atSeconds < this.addressUntil) return "address"
    return atSeconds < (this.ordersUntil.get(brokerOrderId) ?? 0) ? "being processed" : null
  }
}
