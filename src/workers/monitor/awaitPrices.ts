import { Duration } from "effect"
import { isUnpriced } from "../../domain/lifecycle/settlement.ts"
import type { BrokerOrder } from "../../domain/model/BrokerOrder.ts"

/** The trades of an order may be told a little later than its end. */
const priceWait = Duration.minutes(1)

/**
 * Makes the function that counts an order as open which is over and whose price is not told yet, for a minute at most. After that
 * the row's word counts, and the settlement adds the price if it comes.
 */
export const makeAwaitPrices = () => {
  let since = new Map<string, number>()
  return (orders: ReadonlyArray<BrokerOrder>, nowMillis: number): ReadonlyArray<BrokerOrder> => {
    const before = since
    since = new Map()
    return orders.map((order) => {
      if (!isUnpriced(order)) return order
      const first = before.get(order.brokerOrderId) ?? nowMillis
      since.set(order.brokerOrderId, first)
      return nowMillis - first < Duration.toMillis(priceWait) ? { ...order, status: "PARTIALLY_FILLED" } : order
    })
  }
}
