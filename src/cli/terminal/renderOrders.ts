import { DateTime } from "effect"
import { cancelText } from "../../domain/lifecycle/cancels.ts"
import { isFinishedState, isWaitingForCalendar } from "../../domain/lifecycle/orderState.ts"
import { shellWord } from "../../domain/text/shellWord.ts"
import type { OrderProgress, SliceView } from "../../stores/orders/OrderCommands.ts"
import { timeText } from "./moments.ts"
import { cancelLines } from "./renderCancels.ts"
import { table } from "./table.ts"
import { cut, pad, shownCell, widthOf } from "./text.ts"

/** Whether nothing more will happen to the order. */
export const isFinished = (order: OrderProgress): boolean => isFinishedState(order.state)

/** The order's state; one that waits for the trading calendar says so, because nothing happens to it for long. */
export const shownState = (order: OrderProgress): string =>
  isWaitingForCalendar(order) && !isFinished(order) ? `${order.state} (calendar)` : order.state

/** A bar of `width` cells: what is filled, then what is placed and not filled, then the rest. */
export const bar = (width: number, total: number, placed: number, filled: number): string => {
  const cells = (quantity: number) => (total === 0 ? 0 : Math.floor((Math.min(quantity, total) / total) * width))
  const filledCells = cells(filled)
  const placedCells = Math.max(cells(placed), filledCells)
  return "█".repeat(filledCells) + "▒".repeat(placedCells - filledCells) + "░".repeat(width - placedCells)
}

/** The cells of side and instrument: the longest symbols of futures and options have 30. */
const maxName = 36

/** An order as one safe line of at most `columns` cells, for `order watch`. */
export const progressLine = (order: OrderProgress, now: DateTime.Utc, columns: number): string => {
  const total = order.totalQuantity ?? 0
  const name = pad(cut(shownCell(`${order.side ?? "?"} ${order.instrument ?? "?"}`), maxName), 18)
  const tail = [
    pad(`${order.processed}/${order.slices} placed`, 15),
    pad(`${order.filledQuantity}/${total} filled`, 18),
    pad(shownState(order), 10),
    pad(shownCell(nextDue(order, now)), 14)
  ].join(" ")
  const width = Math.max(10, Math.min(40, columns - widthOf(name) - widthOf(tail) - 3))
  const line = `${name} ${bar(width, total, order.placedQuantity, order.filledQuantity)} ${tail}`
  return cut(line, columns, "").trimEnd()
}

const nextDue = (order: OrderProgress, now: DateTime.Utc): string => {
  if (order.nextDueAt === null) return order.statusReason === null ? "" : order.statusReason
  const seconds = (DateTime.toEpochMillis(order.nextDueAt) - DateTime.toEpochMillis(now)) / 1000
  return seconds <= 0 ? "next now" : `next in ${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`
}

/** Orders as a table, for `order list`. */
export const orderTable = (orders: ReadonlyArray<OrderProgress>): ReadonlyArray<string> =>
  table(
    ["ORDER", "CREATED (UTC)", "SIDE", "INSTRUMENT", "QUANTITY", "SLICES", "PLACED", "FILLED", "AVG PRICE", "STATE"],
    orders.map((order) => [
      order.orderId,
      timeText(order.createdAt),
      order.side ?? "–",
      order.instrument ?? "–",
      `${order.totalQuantity ?? "–"}`,
      `${order.slices}`,
      `${order.placedQuantity}`,
      `${order.filledQuantity}`,
      order.averagePrice ?? "–",
      shownState(order)
    ])
  )

/** An order and its slices, for `order show`. Slices that a later plan replaced are only counted. */
export const orderDetails = (order: OrderProgress, slices: ReadonlyArray<SliceView>): ReadonlyArray<string> => {
  const shown = slices.filter(({ replacedBy }) => replacedBy === null)
  const replaced = slices.length - shown.length
  return [
    `Order ${order.orderId}: ${order.side ?? "?"} ${order.totalQuantity ?? "?"} ${order.instrument ?? "?"}, ${order.state}` +
      (order.statusReason === null ? "" : ` (${order.statusReason})`) +
      (order.holdReason === null ? "" : `; on hold: ${order.holdReason}`),
    `Placed ${order.placedQuantity}, filled ${order.filledQuantity}` +
      (order.averagePrice === null ? "" : ` at ${order.averagePrice} on average`) +
      (order.maxLatenessMillis === null ? "" : `; largest lateness ${latenessText(order.maxLatenessMillis)}`),
    "",
    ...table(
      [
        "#",
        "DUE (UTC)",
        "QUANTITY",
        "STAGE",
        "LATENESS",
        "TRIES",
        "BROKER ORDER",
        "BROKER SAYS",
        "FILLED",
        "PRICE",
        "REASON"
      ],
      shown.map((slice) => [
        `${slice.sequenceNumber}`,
        timeText(slice.scheduledAt),
        `${slice.quantity}`,
        slice.isUnknown ? "UNKNOWN" : slice.stage,
        slice.latenessMillis === null ? "–" : latenessText(slice.latenessMillis),
        `${slice.attempts}`,
        slice.brokerOrderId ?? "–",
        slice.brokerStatus ?? "–",
        `${slice.filledQuantity}`,
        slice.averagePrice ?? "–",
        [slice.stageReason, slice.carriedQuantity === 0 ? null : `${slice.carriedQuantity} carried on`]
          .filter((part) => part !== null)
          .join("; ")
      ])
    ),
    ...cancelLines(shown.map((slice) => ({ ...slice, cancel: cancelText(slice) }))),
    ...(replaced === 0
      ? []
      : [
          "",
          `${replaced} slices of earlier plans were replaced before they were sent; "explain ${shellWord(order.orderId)}" shows them`
        ])
  ]
}

const latenessText = (millis: number): string => `${millis.toFixed(1)} ms`
