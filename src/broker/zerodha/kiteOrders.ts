import { type BigDecimal, Effect, Order } from "effect"
import {
  asBelieved,
  type BrokerOrder,
  type BrokerStatus,
  type FoundOrders,
  isTerminal,
  type OrderListEntries,
  type OrderListEntry,
  type UnreadableEntry,
  type UnreadableOrder
} from "../../domain/model/BrokerOrder.ts"
import type { BrokerOrderId, Tag } from "../../domain/model/Ids.ts"
import {
  cleanText,
  type Fields,
  fieldProblem,
  fieldsOf,
  isOrderId,
  isQuantity,
  priceOf,
  wantedOrderId,
  wantedPrice,
  wantedQuantity
} from "./kiteFields.ts"
import {
  eachOf,
  eachRow,
  makeRowMemory,
  type ParseRow,
  ownTagsIn,
  ownTagsMentioned,
  tagsIn,
  wordsIn
} from "./kiteRows.ts"
import { averagePriceOf, type Trades } from "./kiteTrades.ts"

/** An order of ours in Kite's order list. `price` is null if the row does not tell it. */
export interface OrderListRow {
  readonly brokerOrderId: BrokerOrderId
  readonly tag: Tag
  readonly statusText: string
  readonly status: BrokerStatus
  readonly quantity: number | null
  readonly filledQuantity: number
  readonly price: BigDecimal.BigDecimal | null
}

/** The rows of our tags in Kite's order list. */
export interface OwnRows {
  readonly rows: ReadonlyArray<OrderListRow>
  readonly unreadable: ReadonlyArray<UnreadableOrder>
}

/** How the text of a row becomes a row, and a row of ours its order, or what is wrong with it. */
export interface RowReader {
  readonly parseRow: ParseRow
  readonly readRow: (tag: Tag, row: Fields) => OrderListRow | string
}

/** Makes the readers of one list after another; a row that has not changed is read only once. */
export const makeRowReaders = (): (() => RowReader) => {
  const parserOfNext = makeRowMemory()
  const read = new WeakMap<Fields, { readonly tag: Tag; readonly order: OrderListRow | string }>()
  const readRow = (tag: Tag, row: Fields) => {
    const known = read.get(row)
    if (known?.tag === tag) return known.order
    const order = readOrderRow(tag, row)
    read.set(row, { tag, order })
    return order
  }
  return () => ({ parseRow: parserOfNext(), readRow })
}

/**
 * The orders with one of these tags, or with another of their form, in the body of GET /orders. A row that names one of our tags belongs to it. A row whose tags
 * cannot be read belongs, unreadable, to each of our tags that occurs in it as a word, and so does any other row to those of
 * our tags that no row names: leaving it out would mean "not placed". A row without any is none of ours, whatever it contains.
 */
export const readOrderList = (
  body: string,
  tags: ReadonlySet<Tag>,
  { parseRow, readRow }: RowReader = makeRowReaders()()
): Effect.Effect<OwnRows, string> =>
  Effect.gen(function* () {
    const rows: Array<OrderListRow> = []
    const unreadable: Array<UnreadableOrder> = []
    const others: Array<unknown> = []
    const missing = new Set(tags)
    const minLength = [...tags].reduce((least, { length }) => Math.min(least, length), Number.POSITIVE_INFINITY)
    const addMentions = (row: unknown, ours: ReadonlySet<Tag>, problem: string) => {
      for (const tag of ownTagsMentioned(row, ours, minLength)) {
        unreadable.push(unreadableOrder(tag, fieldsOf(row), false, problem))
      }
    }
    const take = (row: unknown) => {
      const fields = fieldsOf(row)
      const named = ownTagsIn(fields, tags)
      for (const tag of named) missing.delete(tag)
      const [tag] = named
      if (tag !== undefined && named.length === 1) {
        const read = readRow(tag, fields)
        if (typeof read === "string") unreadable.push(unreadableOrder(tag, fields, true, read))
        else rows.push(read)
      } else if (named.length > 1) addMentions(row, tags, "it has the tags of several slices")
      else if (tagsIn(fields) === null) addMentions(row, tags, "its tag cannot be read")
      else others.push(row)
    }
    yield* eachRow(body, take, parseRow)
    if (missing.size > 0) yield* eachOf(others, (row) => addMentions(row, missing, "its tag is not in tag or tags"))
    return { rows, unreadable }
  })

const unreadableOrder = (tag: Tag, { order_id: id }: Fields, isCertain: boolean, problem: string): UnreadableOrder => ({
  tag,
  brokerOrderId: isOrderId(id) ? id : null,
  isCertain,
  problem
})

const maxStatus = 100
const maxDetail = 500

/** The row of an order of ours, or what is wrong with it. Of about thirty fields, these are read. */
const readOrderRow = (
  tag: Tag,
  { order_id: id, status, status_message: message, quantity, filled_quantity: filled, average_price }: Fields
): OrderListRow | string => {
  if (!isOrderId(id)) return fieldProblem("order_id", id, wantedOrderId)
  if (typeof status !== "string" || status === "") return fieldProblem("status", status, "a text")
  if (!isQuantity(filled)) return fieldProblem("filled_quantity", filled, wantedQuantity)
  const price = priceOf(average_price)
  if (price === null) return fieldProblem("average_price", average_price, wantedPrice)
  const word = cleanText(status, maxStatus)
  const detail = typeof message === "string" ? cleanText(message, maxDetail) : ""
  return {
    brokerOrderId: id,
    tag,
    status: statusOf(status, filled),
    statusText: detail === "" ? word : `${word}: ${detail}`,
    // It is only compared, so a row without it is still worth reading.
    quantity: isQuantity(quantity) ? quantity : null,
    filledQuantity: filled,
    // Kite documents the meaning of average_price for complete orders only.
    price: status === "COMPLETE" && price.value > 0n ? price : null
  }
}

/** How many words of a row that does not tell its tags are looked up. */
const maxWords = 100

/** Every order in the body of GET /orders, ours or not. The tags of a row that does not tell them may be any of its words. */
export const readEntries = (body: string): Effect.Effect<OrderListEntries, string> =>
  Effect.gen(function* () {
    const entries: Array<OrderListEntry> = []
    const unreadable: Array<UnreadableEntry> = []
    yield* eachRow(body, (row, index) => {
      const fields = fieldsOf(row)
      const tags = (tagsIn(fields) ?? wordsIn(row, 1, maxWords)).map((tag) => cleanText(tag, maxStatus))
      const { order_id: id } = fields
      if (isOrderId(id)) entries.push({ brokerOrderId: id, tags })
      else unreadable.push({ place: index + 1, tags, problem: fieldProblem("order_id", id, wantedOrderId) })
    })
    return { entries, unreadable }
  })

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
 * The broker orders of the rows, with their average prices from the trades if the rows do not tell them. Trades that cannot be
 * read are reported for the orders whose price they keep unknown.
 */
export const brokerOrders = ({ rows, unreadable }: OwnRows, trades: Trades): FoundOrders => {
  const orders = eachOnce(rows.map((row) => brokerOrder(row, trades)))
  const unpriced = orders.flatMap(({ tag, brokerOrderId, filledQuantity, averagePrice }) => {
    const problem = trades.problems.get(brokerOrderId) ?? trades.problemOfAny
    return filledQuantity === 0 || averagePrice !== null || problem === null
      ? []
      : [{ tag, brokerOrderId, isCertain: true, problem: `its price is not known, because of a trade: ${problem}` }]
  })
  return { orders, unreadable: [...unreadable, ...unpriced] }
}

const brokerOrder = (row: OrderListRow, trades: Trades): BrokerOrder => {
  const { brokerOrderId, tag, status, statusText, quantity, filledQuantity } = row
  const averagePrice = lacksPrice(row) ? averagePriceOf(trades, brokerOrderId, filledQuantity) : row.price
  return asBelieved({ brokerOrderId, tag, status, statusText, quantity, filledQuantity, averagePrice })
}

/** Each order once: of several rows of one order the one that is furthest on, because a list may still have an older one. */
const eachOnce = (orders: ReadonlyArray<BrokerOrder>): ReadonlyArray<BrokerOrder> => {
  const byId = new Map<string, BrokerOrder>()
  for (const order of orders) {
    const key = `${order.tag} ${order.brokerOrderId}`
    const known = byId.get(key)
    if (known === undefined || furthest(known, order) < 0) byId.set(key, order)
  }
  return [...byId.values()]
}

const furthest = Order.mapInput(
  Order.Tuple([Order.Number, Order.Number]),
  ({ filledQuantity, status }: BrokerOrder) => [filledQuantity, isTerminal(status) ? 1 : 0] as const
)
