import { BigDecimal, Option, Result, Schema } from "effect"
import { type OrderListEntry, type BrokerOrder, type BrokerStatus, isTerminal } from "../../domain/model/BrokerOrder.ts"
import { BrokerOrderId, type Tag } from "../../domain/model/Ids.ts"

const Rows = Schema.fromJsonString(
  Schema.Struct({ status: Schema.Literal("success"), data: Schema.Array(Schema.Unknown) })
)

/** A row's tag is in `tag`, in `tags`, or in both. Rows of other programs may contain anything. */
const Tagged = Schema.Struct({
  tag: Schema.optionalKey(Schema.NullOr(Schema.String)),
  tags: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.Unknown)))
})

const quantity = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** The fields of an order that are read, out of about thirty. */
const OrderRow = Schema.Struct({
  order_id: BrokerOrderId,
  status: Schema.NonEmptyString,
  status_message: Schema.optionalKey(Schema.NullOr(Schema.String)),
  filled_quantity: quantity,
  average_price: Schema.Finite
})

const TradeRow = Schema.Struct({
  order_id: BrokerOrderId,
  quantity,
  average_price: Schema.Finite
})
export type Trade = typeof TradeRow.Type

/** An order of ours in Kite's order list. `price` is null if the row does not tell it. */
export interface OrderListRow {
  readonly brokerOrderId: BrokerOrderId
  readonly tag: Tag
  readonly statusText: string
  readonly status: BrokerStatus
  readonly filledQuantity: number
  readonly price: BigDecimal.BigDecimal | null
}

const decodeRows = Schema.decodeUnknownResult(Rows)
const decodeTagged = Schema.decodeUnknownResult(Tagged)
const decodeEntry = Schema.decodeUnknownResult(Schema.Struct({ order_id: BrokerOrderId, ...Tagged.fields }))
const decodeOrder = Schema.decodeUnknownResult(OrderRow)
const decodeTrade = Schema.decodeUnknownResult(TradeRow)

/**
 * The orders with one of our tags in the body of GET /orders. If a row that may be ours cannot be read, the whole list counts as
 * unreadable: leaving the row out would mean "not placed".
 */
export const readOrderList = (
  body: string,
  tags: ReadonlySet<Tag>
): Result.Result<ReadonlyArray<OrderListRow>, string> =>
  Result.flatMap(rowsOf(body), (rows) => {
    const found: Array<OrderListRow> = []
    for (const row of rows) {
      const tagged = decodeTagged(row)
      if (Result.isFailure(tagged)) return Result.fail(`a row's tag cannot be read: ${tagged.failure.message}`)
      const tag = tagOf(tagged.success, tags)
      if (tag === null) continue
      const order = decodeOrder(row)
      if (Result.isFailure(order)) return Result.fail(`the row of ${tag} cannot be read: ${order.failure.message}`)
      found.push(orderListRow(tag, order.success))
    }
    return Result.succeed(found)
  })

/** Every order in the body of GET /orders, ours or not. */
export const readEntries = (body: string): Result.Result<ReadonlyArray<OrderListEntry>, string> =>
  Result.flatMap(rowsOf(body), (rows) =>
    Result.mapBoth(Result.all(rows.map((row) => decodeEntry(row))), {
      onFailure: (error) => `a row cannot be read: ${error.message}`,
      onSuccess: (entries) =>
        entries.map(({ order_id, tag, tags }) => ({
          brokerOrderId: order_id,
          tags: [...new Set([tag, ...(tags ?? [])])].filter((word) => typeof word === "string")
        }))
    })
  )

/** The trades in the body of GET /trades. */
export const readTrades = (body: string): Result.Result<ReadonlyArray<Trade>, string> =>
  Result.flatMap(rowsOf(body), (rows) =>
    Result.mapError(
      Result.all(rows.map((row) => decodeTrade(row))),
      (error) => `a trade cannot be read: ${error.message}`
    )
  )

const rowsOf = (body: string): Result.Result<ReadonlyArray<unknown>, string> =>
  Result.mapBoth(decodeRows(body), {
    onFailure: () => `the answer is not a list of rows: ${JSON.stringify(body.slice(0, 100))}`,
    onSuccess: ({ data }) => data
  })

const tagOf = (row: typeof Tagged.Type, tags: ReadonlySet<Tag>): Tag | null => {
  for (const word of [row.tag, ...(row.tags ?? [])]) if (isIn(word, tags)) return word
  return null
}

const isIn = (word: unknown, tags: ReadonlySet<unknown>): word is Tag => tags.has(word)

const orderListRow = (tag: Tag, row: typeof OrderRow.Type): OrderListRow => {
  const detail = row.status_message ?? ""
  return {
    brokerOrderId: row.order_id,
    tag,
    status: statusOf(row.status, row.filled_quantity),
    statusText: detail === "" ? row.status : `${row.status}: ${detail}`,
    filledQuantity: row.filled_quantity,
    // Kite documents the meaning of average_price for complete orders only.
    price: row.status === "COMPLETE" && row.average_price > 0 ? decimal(row.average_price) : null
  }
}

const inFlight: ReadonlySet<string> = new Set([
  "PUT ORDER REQ RECEIVED",
  "VALIDATION PENDING",
  "OPEN PENDING",
  "MODIFY VALIDATION PENDING",
  "MODIFY PENDING",
  "CANCEL PENDING",
  "AMO REQ RECEIVED"
])

const statusOf = (word: string, filled: number): BrokerStatus => {
  if (word === "COMPLETE" || word === "CANCELLED" || word === "REJECTED") return word
  const isResting = word === "OPEN" || word === "TRIGGER PENDING"
  if (!isResting && !inFlight.has(word)) return "UNRECOGNISED"
  if (filled > 0) return "PARTIALLY_FILLED"
  return isResting ? "OPEN" : "PENDING"
}

/** Whether the price of the filled quantity must be read from the trades: rows tell it for complete orders only. */
export const lacksPrice = (row: OrderListRow): boolean => row.filledQuantity > 0 && row.price === null

/**
 * The broker order of a row, with its average price from the trades if the row does not tell it. A final order counts as open
 * until its price is known, because a final one is not looked up again.
 */
export const brokerOrder = (row: OrderListRow, trades: ReadonlyArray<Trade>): BrokerOrder => {
  const averagePrice = lacksPrice(row)
    ? averageOf(
        trades.filter((trade) => trade.order_id === row.brokerOrderId),
        row.filledQuantity
      )
    : row.price
  const isUnpriced = row.filledQuantity > 0 && averagePrice === null
  return {
    brokerOrderId: row.brokerOrderId,
    tag: row.tag,
    status: isUnpriced && isTerminal(row.status) ? "PARTIALLY_FILLED" : row.status,
    statusText: row.statusText,
    filledQuantity: row.filledQuantity,
    averagePrice
  }
}

/** The average price; null while the trades do not cover the filled quantity. */
const averageOf = (trades: ReadonlyArray<Trade>, filled: number): BigDecimal.BigDecimal | null => {
  const traded = trades.reduce((sum, trade) => sum + trade.quantity, 0)
  if (traded < filled) return null
  const quantity = BigDecimal.fromBigInt(BigInt(traded))
  const value = BigDecimal.sumAll(
    trades.map((trade) =>
      BigDecimal.multiply(decimal(trade.average_price), BigDecimal.fromBigInt(BigInt(trade.quantity)))
    )
  )
  return Option.getOrNull(
    Option.map(BigDecimal.divide(value, quantity), (average) =>
      BigDecimal.normalize(BigDecimal.round(average, { scale: 4 }))
    )
  )
}

/** JSON numbers are doubles, but a price with a few decimals survives the conversion unchanged. */
export const decimal = (price: number): BigDecimal.BigDecimal =>
  BigDecimal.normalize(BigDecimal.fromStringUnsafe(String(price)))
