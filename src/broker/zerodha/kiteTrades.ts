import { BigDecimal, Option, Result } from "effect"
import type { BrokerOrderId } from "../../domain/model/Ids.ts"
import { whole } from "../../domain/text/decimals.ts"
import {
  fieldProblem,
  fieldsOf,
  isOrderId,
  isQuantity,
  priceOf,
  wantedOrderId,
  wantedPrice,
  wantedQuantity
} from "./kiteFields.ts"
import { rowsOf } from "./kiteRows.ts"

interface Trade {
  readonly quantity: number
  readonly price: BigDecimal.BigDecimal
}

/** The day's trades by order, and what is wrong with those that cannot be read. */
export interface Trades {
  readonly ofOrder: ReadonlyMap<BrokerOrderId, ReadonlyArray<Trade>>
  readonly problems: ReadonlyMap<BrokerOrderId, string>
  /** A trade that does not tell its order may be one of any order; null if there is none. */
  readonly problemOfAny: string | null
}

export const noTrades: Trades = { ofOrder: new Map(), problems: new Map(), problemOfAny: null }

/** The trades in the body of GET /trades. One that cannot be read leaves only the price of its own order unknown. */
export const readTrades = (body: string): Result.Result<Trades, string> =>
  Result.map(rowsOf(body), (rows) => {
    const ofOrder = new Map<BrokerOrderId, Array<Trade>>()
    const problems = new Map<BrokerOrderId, string>()
    let problemOfAny: string | null = null
    for (const row of rows) {
      const { order_id: id, quantity, average_price } = fieldsOf(row)
      const price = priceOf(average_price)
      if (!isOrderId(id)) problemOfAny = fieldProblem("order_id", id, wantedOrderId)
      else if (!isQuantity(quantity)) problems.set(id, fieldProblem("quantity", quantity, wantedQuantity))
      else if (price === null) problems.set(id, fieldProblem("average_price", average_price, wantedPrice))
      else {
        const known = ofOrder.get(id)
        if (known === undefined) ofOrder.set(id, [{ quantity, price }])
        else known.push({ quantity, price })
      }
    }
    return { ofOrder, problems, problemOfAny }
  })

/** The average price of an order, to four decimals; null while its trades do not cover the filled quantity. */
export const averagePriceOf = (
  { ofOrder }: Trades,
  brokerOrderId: BrokerOrderId,
  filledQuantity: number
): BigDecimal.BigDecimal | null => {
  const trades = ofOrder.get(brokerOrderId) ?? []
  const traded = trades.reduce((sum, trade) => sum + trade.quantity, 0)
  if (traded < filledQuantity) return null
  const value = BigDecimal.sumAll(trades.map(({ price, quantity }) => BigDecimal.multiply(price, whole(quantity))))
  return Option.getOrNull(
    Option.map(BigDecimal.divide(value, whole(traded)), (average) =>
      BigDecimal.normalize(BigDecimal.round(average, { scale: 4 }))
    )
  )
}
