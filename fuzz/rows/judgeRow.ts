import { whyNotSplit } from "./orderReading.ts"
import { endOfBatch, type OrderEnd, type SliceEnd } from "./orderTables.ts"
import type { Placed } from "./PlacedOrders.ts"
import type { RowInput } from "./RowInput.ts"

/** Everything that became of one row. */
export interface RowEnd {
  readonly order: OrderEnd
  readonly slices: ReadonlyArray<SliceEnd>
  readonly placed: ReadonlyArray<Placed>
  /** When it was read, in milliseconds since 1970. */
  readonly readMillis: number
}

/** What is wrong with what became of a row, by the row alone; null if nothing is. */
export const wrongEnd = (row: RowInput, end: RowEnd, isDayLimited: boolean): string | null =>
  wrongStatus(row, end, isDayLimited) ?? wrongSlices(row, end) ?? wrongPlacements(end)

const wrongStatus = (row: RowInput, { order, slices, readMillis }: RowEnd, isDayLimited: boolean): string | null => {
  const arrivedAs = row.columns["order_queue_status"] ?? "PENDING"
  if (order.status === "PENDING" || order.status === "IN_PROGRESS") return `it stays ${order.status}`
  if (arrivedAs !== "PENDING" && slices.length > 0) return `it arrived ${String(arrivedAs)} and was split`
  if (arrivedAs !== "PENDING") return null
  if (order.reason_code === "internal_error") return `it failed by an error that nobody foresaw: ${order.reason ?? ""}`
  if (order.status !== "DONE") {
    if (order.reason === null || order.reason === "" || order.reason_code === null)
      return `it is ${order.status} without a reason`
    if (order.reason.length > maxReason) return `its reason has ${order.reason.length} characters`
    const isOfTheDay = isDayLimited && order.reason_code === "day_limit"
    return row.isPlain && !isOfTheDay ? `it is ${order.status}, and nothing is wrong with it: ${order.reason}` : null
  }
  const why = whyNotSplit(row, order, readMillis)
  return why === null ? null : `it was split, and must not be, for its ${why}`
}

const maxReason = 5000

const wrongSlices = ({ columns }: RowInput, { order, slices }: RowEnd): string | null => {
  if (order.status !== "DONE") return slices.length === 0 ? null : `it is ${order.status} and has slices`
  if (slices.length === 0 && (columns["order_queue_status"] ?? "PENDING") !== "PENDING") return null
  // Later plans replace slices of the first one, which has the first numbers.
  const count = Number(columns["num_splits"])
  const first = slices.filter(({ sequence }) => sequence <= count)
  if (first.length !== count) return `it has ${first.length} slices, not ${count}`
  const sum = first.reduce((total, { quantity }) => total + quantity, 0)
  if (sum !== columns["total_quantity"]) return `its slices have ${sum}, not ${String(columns["total_quantity"])}`
  const windowMillis = Number(columns["duration_minutes"]) * 60_000
  for (const slice of first) {
    if (slice.instrument !== columns["instrument"] || slice.side !== columns["side"])
      return "a slice is of something else"
    if (slice.order_type !== (columns["order_type"] ?? "MARKET")) return `a slice is ${slice.order_type}`
    if (slice.scheduled < order.created - 1 || slice.scheduled > order.created + windowMillis + 1) {
      return "a slice is due outside of the order's window"
    }
  }
  return null
}

const wrongPlacements = ({ order, slices, placed, readMillis }: RowEnd): string | null => {
  const byTag = Map.groupBy(placed, ({ tag }) => tag)
  for (const slice of slices) {
    const orders = byTag.get(slice.tag) ?? []
    const [one] = orders
    if (orders.length > 1) return `a slice was placed ${orders.length} times`
    if (slice.stage === "PROCESSED" && one === undefined) return "a slice is PROCESSED and not at the broker"
    const isDue = slice.stage_reason === endOfBatch && slice.scheduled < readMillis - 10_000
    if (isDue && !order.is_stopped) return "a slice that was due was left behind"
    if (one === undefined) continue
    if (slice.stage !== "PROCESSED") return `a slice is ${slice.stage} and at the broker`
    if (one.placed < slice.scheduled - 1) return `a slice was placed ${slice.scheduled - one.placed} ms too early`
    const isSame =
      one.quantity === slice.quantity &&
      one.side === slice.side &&
      one.instrument === slice.instrument &&
      one.orderType === slice.order_type &&
      samePrice(one.limitPrice, slice.limit_price)
    if (!isSame) return "a slice and its broker order differ"
  }
  const sum = placed.reduce((total, { exposed }) => total + exposed, 0)
  return order.total_quantity !== null && sum > Math.max(0, order.total_quantity)
    ? `${sum} are filled or working of ${order.total_quantity}`
    : null
}

const samePrice = (one: string | null, other: string | null): boolean =>
  one === null || other === null ? one === other : Number(one) === Number(other)

/** How late a slice of an order without anything odd may be placed, in milliseconds. */
const maxLatenessMillis = 1000

/** What is wrong with an order that only stood beside odd rows; times count if `isJudgedByClock`. */
export const wrongNeighbour = ({ order, slices, placed }: RowEnd, isJudgedByClock: boolean): string | null => {
  if (order.status !== "DONE") return `it is ${order.status}: ${order.reason ?? ""}`
  const byTag = new Map(placed.map((one) => [one.tag, one.placed]))
  if (slices.length === 0 || byTag.size !== slices.length)
    return `${byTag.size} of its ${slices.length} slices were placed`
  if (!isJudgedByClock) return null
  for (const { tag, scheduled, planned } of slices) {
    const late = (byTag.get(tag) ?? 0) - Math.max(scheduled, planned)
    if (late > maxLatenessMillis) return `a slice was placed ${Math.round(late)} ms late`
    if (planned - order.created > maxSplitMillis) return `it was split after ${Math.round(planned - order.created)} ms`
  }
  return null
}

/** How long an order without anything odd may wait for its split behind a flood of odd ones, in milliseconds. */
const maxSplitMillis = 5000
