import { BigDecimal, Effect, Option } from "effect"
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
import { eachRow } from "./kiteRows.ts"

/** What was traded of an order. */
interface Traded {
  readonly quantity: number
  readonly value: BigDecimal.BigDecimal
}

/** The day's trades by order, and what is wrong with those that cannot be read. */
export interface Trades {
  readonly ofOrder: ReadonlyMap<BrokerOrderId, Traded>
  readonly problems: ReadonlyMap<BrokerOrderId, string>
  /** A trade that does not tell its order may be one of any order; null if there is none. */
  readonly problemOfAny: string | null
}

export const noTrades: Trades = { ofOrder: new Map(), problems: new Map(), problemOfAny: null }

/** The trades in the body of GET /trades. One that cannot be read leaves only the price of its own order unknown. */
export const readTrades = (body: string): Effect.Effect<Trades, string> =>
  Effect.gen(function* () {
    const ofOrder = new Map<BrokerOrderId, Traded>()
    const problems = new Map<BrokerOrderId, string>()
    let problemOfAny: string | null = null
    yield* eachRow(body, (row) => {
      const { order_id: id, quantity, average_price } = fieldsOf(row)
      const price = priceOf(average_price)
      if (!isOrderId(id)) problemOfAny = fieldProblem("order_id", id, wantedOrderId)
      else if (!isQuantity(quantity)) problems.set(id, fieldProblem("quantity", quantity, wantedQuantity))
      else if (price === null) problems.set(id, fieldProblem("average_price", average_price, wantedPrice))
      else {
        const before = ofOrder.get(id) ?? { quantity: 0, value: whole(0) }
        const value = BigDecimal.sum(before.value, BigDecimal.multiply(price, whole(quantity)))
        ofOrder.set(id, { quantity: before.quantity + quantity, value })
      }
    })
    return { ofOrder, problems, problemOfAny }
  })

/** The average price of an order, to four decimals; null while its trades do not cover the filled quantity. */
export const averagePriceOf = (
  { ofOrder }: Trades,
  brokerOrderId: BrokerOrderId,
  filledQuantity: number
): BigDecimal.BigDecimal | null => {
  const traded = ofOrder.get(brokerOrderId)
  if (traded === undefined || traded.quantity < filledQuantity) return null
  return Option.getOrNull(
    Option.map(BigDecimal.divide(traded.value, whole(traded.quantity)), (average) =>
      BigDecimal.normalize(BigDecimal.round(average, { scale: 4 }))
    )
  )
}
