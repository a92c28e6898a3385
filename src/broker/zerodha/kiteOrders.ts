import { BigDecimal, Option, Result, Schema } from "effect"
import { type OrderListEntry, type BrokerOrder, type BrokerStatus, isTerminal } from "../../domain/model/BrokerOrder.ts"
import { BrokerOrderId, type Tag } from "../../domain/model/Ids.ts"

const Rows = Schema.fromJsonString(
  Schema.Struct({ status: Schema.Literal("success"), data: Schema.Array(Schema.Unknown) })
)

/** A row's tag is in `tag`, or in `tags`, or in both. Rows of other programs may hold anything. */
const Tagged = Schema.Struct({
  tag: Schema.optionalKey(Schema.NullOr(Schema.String)),
  tags: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.Unknown)))
})

const quantity = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** What we read of an order; the other thirty fields are nobody's business here. */
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

/** An order of ours in Kite's book. `price` is null where the row does not say it. */
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
 * The orders with one of our tags in the body of GET /orders. One row that might be ours and cannot be read makes the
 * whole book unreadable: leaving it out would say "not placed".
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

/** Every order in the body of GET /orders, whoever placed it. */
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
    // Kite says what it means for complete orders only.
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

/** Whether the price of what is filled has to be asked for: rows tell it for complete orders only. */
export const lacksPrice = (row: OrderListRow): boolean => row.filledQuantity > 0 && row.price === null

/**
 * The order as the service knows it, with its average price from the trades where the row does not tell. An order that is
 * over counts as open until its price is known: nobody asks for one that is final again.
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

/** Null as long as some of what is filled is not among the trades. */
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

/** JSON has no decimals, but a price of a few places comes back from its nearest double unchanged. */
export const decimal = (price: number): BigDecimal.BigDecimal =>
  BigDecimal.normalize(BigDecimal.fromStringUnsafe(String(price)))
