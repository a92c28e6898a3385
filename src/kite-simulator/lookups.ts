import { type Answer, answered, type SimulatorRequest, refused } from "./Answer.ts"
import type { Fault } from "./Faults.ts"
import { htmlReply, truncate } from "./faultyAnswer.ts"
import { withOddRow } from "./oddRow.ts"
import { failure, kiteError, orderError, type Reply, success, successText } from "./reply.ts"
import type { Simulation } from "./Simulation.ts"
import { historyRows, tradeRows } from "./wire.ts"

const unavailable = kiteError(503, "NetworkException", "The OMS is not reachable. Please try again.")

/** GET on orders and trades with a valid login; null if there is no such path. */
export const lookup = (simulation: Simulation, request: SimulatorRequest, nowMillis: number): Answer | null => {
  const [first, orderId, third] = request.parts
  const { orderList } = simulation
  if (first === "trades" && orderId === undefined) {
    return spoiled(simulation, () =>
      success(orderList.shown(nowMillis).flatMap((order) => tradeRows(order, nowMillis)))
    )
  }
  if (first !== "orders") return null
  if (orderId === undefined) return orderListAnswer(simulation, nowMillis)
  if (third !== undefined && third !== "trades") return null
  const order = orderList.find(orderId, nowMillis)
  if (order === null) return refused(orderError("Couldn't find that `order_id`."))
  return spoiled(simulation, () =>
    success(third === "trades" ? tradeRows(order, nowMillis) : historyRows(order, nowMillis))
  )
}

const orderListAnswer = (simulation: Simulation, nowMillis: number): Answer => {
  const fault = simulation.faults.next("book")
  const backMillis =
    fault?.kind === "book_stale"
      ? (fault.delayMillis ?? Math.ceil(simulation.maxStalenessMillis * (0.1 + 0.9 * fault.severity)))
      : null
  const rows = simulation.orderList.rowsText(
    nowMillis,
    (order) => backMillis === null || order.visibleAt <= nowMillis - backMillis
  )
  return spoil(fault, () => successText(rows))
}

const spoiled = (simulation: Simulation, whole: () => Reply): Answer =>
  spoil(simulation.faults.next("book", null, ["book_stale"]), whole)

const spoil = (fault: Fault | null, whole: () => Reply): Answer => ({
  ...answered(fault === null ? whole() : spoilt(fault, whole)),
  fault: fault?.kind ?? null
})

const spoilt = (fault: Fault, whole: () => Reply): Reply => {
  switch (fault.kind) {
    case "book_503":
      return failure(unavailable)
    case "book_html":
      return htmlReply(fault.variation < 0.5 ? 200 : 502)
    case "book_truncated":
      return truncate(whole(), fault.variation < 0.5)
    case "book_odd_row":
      return withOddRow(whole(), fault)
    case "book_slow":
      return { ...whole(), delayMillis: fault.delayMillis ?? Math.ceil(3000 * fault.severity) }
    default:
      return whole()
  }
}
