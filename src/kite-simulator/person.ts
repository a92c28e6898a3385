import { Schema } from "effect"
import { isFinal, stateAt } from "./orderLife.ts"
import { readPlacement } from "./OrderRequest.ts"
import { inputError, type KiteError, orderError } from "./reply.ts"
import type { SimulatedOrder } from "./SimulatedOrder.ts"
import type { Simulation } from "./Simulation.ts"

const Quantity = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))

/**
 * What a person does in the broker's app. `order` is an order id, or a tag, which means the newest order with it that is not
 * over. `form` is the form of a placement with its tag, as Kite takes it.
 */
export const PersonAction = Schema.Union([
  Schema.Struct({ does: Schema.Literal("cancel"), order: Schema.String }),
  Schema.Struct({ does: Schema.Literal("change_quantity"), order: Schema.String, quantity: Quantity }),
  Schema.Struct({ does: Schema.Literal("place"), form: Schema.Record(Schema.String, Schema.String) })
])
export type PersonAction = typeof PersonAction.Type

/** Carries the action out now, without limits and faults; returns why not, or null. */
export const act = (simulation: Simulation, action: PersonAction): KiteError | null => {
  const problem = action.does === "place" ? place(simulation, action.form) : change(simulation, action)
  simulation.changed()
  return problem
}

const place = (simulation: Simulation, form: { readonly [name: string]: string }): KiteError | null => {
  const nowMillis = simulation.now()
  const request = readPlacement("regular", new URLSearchParams(form), nowMillis)
  if ("errorType" in request) return request
  simulation.orderList.insert({ by: "person", request, nowMillis, lateMillis: 0, fault: null, told: false })
  return null
}

const change = (
  simulation: Simulation,
  action: Exclude<PersonAction, { readonly does: "place" }>
): KiteError | null => {
  const { orderList } = simulation
  const nowMillis = simulation.now()
  const order = orderList
    .shown(nowMillis)
    .findLast((order) => isNamed(order, action.order) && !isFinal(stateAt(order.book, nowMillis)?.status ?? ""))
  if (order === undefined) return orderError(`There is no open order ${action.order}.`)
  if (action.does === "cancel") {
    orderList.cancel(order, nowMillis)
    return null
  }
  if (action.quantity <= (stateAt(order.life, nowMillis)?.filled ?? 0)) {
    return inputError("Quantity cannot be modified to less than what is filled.")
  }
  orderList.modify(order, { ...order.request, quantity: action.quantity }, nowMillis)
  return null
}

const isNamed = (order: SimulatedOrder, name: string): boolean => order.orderId === name || order.tag === name
