import { type Answer, type SimulatorRequest, refused } from "./Answer.ts"
import { cancelRefusal, companionOf } from "./discrepancies.ts"
import { discrepancyMillis } from "./discrepancyMillis.ts"
import type { FaultKind } from "./Faults.ts"
import { answerWith, dailyCap, tooManyRequests } from "./faultyAnswer.ts"
import type { Excess } from "./Limits.ts"
import { orderDay, refusalByRules } from "./marketRules.ts"
import { isFinal, stateAt } from "./orderLife.ts"
import { isVariety, readModification, readPlacement } from "./OrderRequest.ts"
import { inputError, kiteError, type KiteError, notAuthorized, orderError } from "./reply.ts"
import type { SimulatedOrder } from "./SimulatedOrder.ts"
import type { Simulation } from "./Simulation.ts"

const strangeAddress = kiteError(403, "PermissionException", "IP not allowed to place orders for this app")
const noMargin = kiteError(
  400,
  "MarginException",
  "Insufficient funds. Required margin is 95417.84 but available margin is 74251.80."
)
/** The faults of placements that are refusals. */
const injectedRefusals: Partial<Record<FaultKind, KiteError>> = {
  refused_margin: noMargin,
  refused_holding_428: kiteError(428, "HoldingException", "Authorise the holdings with the depository first."),
  refused_permission_403: kiteError(403, "PermissionException", "The segment is not enabled for this account.")
}
const unknownOrder = orderError("Couldn't find that `order_id`.")

/** POST, PUT and DELETE below /orders. Limits are of the account, so requests with an invalid token count as well. */
export const orderRequest = (simulation: Simulation, request: SimulatorRequest, nowMillis: number): Answer => {
  const tag = request.method === "POST" ? request.form.get("tag") : null
  const excess = simulation.limits.take(nowMillis)
  if (excess !== null) return { ...refused(excessError(excess)), outcome: "limited", tag, counted: true }
  return { ...permitted(simulation, request, nowMillis), tag, counted: true }
}

const permitted = (simulation: Simulation, request: SimulatorRequest, nowMillis: number): Answer => {
  if (!simulation.session.authorizes(request.headers["authorization"], nowMillis)) return refused(notAuthorized)
  return simulation.addressAllowed ? perform(simulation, request, nowMillis) : refused(strangeAddress)
}

const excessError = (excess: Excess): KiteError => (excess === "day" ? dailyCap : tooManyRequests)

const perform = (simulation: Simulation, request: SimulatorRequest, nowMillis: number): Answer => {
  const [, variety = "", orderId] = request.parts
  if (request.method === "POST") return place(simulation, variety, request.form, nowMillis)
  if (!isVariety(variety)) return refused(inputError("Invalid `variety`."))
  const order = simulation.orderList.find(orderId ?? "", nowMillis)
  if (order === null) return refused(unknownOrder)
  return request.method === "PUT"
    ? modify(simulation, order, request.form, nowMillis)
    : cancel(simulation, order, nowMillis)
}

const place = (simulation: Simulation, variety: string, form: URLSearchParams, nowMillis: number): Answer => {
  const request = readPlacement(variety, form)
  if ("errorType" in request) return refused(request)
  const byRules = refusalByRules(simulation.options, request, nowMillis)
  if (byRules !== null) return refused(byRules)
  const fault = simulation.faults.next("place", request.tag)
  const refusal = fault === null ? undefined : injectedRefusals[fault.kind]
  if (fault !== null && refusal !== undefined) return { ...refused(refusal), fault: fault.kind }
  return answerWith(fault, simulation.maxDelayMillis, (lateMillis, told) => {
    const { orderList } = simulation
    const companion = companionOf(request, fault)
    if (companion !== null) orderList.insert({ ...companion, nowMillis, fault, told: false })
    const wait = fault?.kind === "absent" ? discrepancyMillis(fault) : lateMillis
    const order = orderList.insert({ by: "client", request, nowMillis, lateMillis: wait, fault, told })
    simulation.changed()
    return order.orderId
  })
}

const cancel = (simulation: Simulation, order: SimulatedOrder, nowMillis: number): Answer => {
  if (simulation.cancelRefusal !== null) return refused(simulation.cancelRefusal)
  const refusal = cancelRefusal(order.fault, order.visibleAt, nowMillis)
  if (refusal !== null) return { ...refused(refusal), fault: "cancel_refused" }
  const status = stateAt(order.book, nowMillis)?.status ?? ""
  if (isFinal(status)) return refused(orderError(`Order cannot be cancelled as it is ${status.toLowerCase()}.`))
  if (status === "CANCEL PENDING") {
    return refused(orderError("Order cannot be cancelled as it is being processed. Try later."))
  }
  return answerWith(simulation.faults.next("cancel", order.tag), simulation.maxDelayMillis, () => {
    simulation.orderList.cancel(order, nowMillis)
    simulation.changed()
    return order.orderId
  })
}

const modify = (simulation: Simulation, order: SimulatedOrder, form: URLSearchParams, nowMillis: number): Answer => {
  const state = stateAt(order.book, nowMillis)
  const status = state?.status ?? ""
  if (isFinal(status)) return refused(orderError(`Order cannot be modified as it is ${status.toLowerCase()}.`))
  if (status !== "OPEN" && status !== "TRIGGER PENDING") {
    return refused(orderError("Order cannot be modified as it is being processed. Try later."))
  }
  if (order.modifications >= simulation.options.limits.modifications) {
    return refused(orderError("Maximum allowed order modifications exceeded."))
  }
  const request = readModification({ ...order.request, quantity: state?.quantity ?? order.request.quantity }, form)
  if ("errorType" in request) return refused(request)
  const byRules = refusalByRules(simulation.options, request, nowMillis)
  if (byRules !== null) return refused(byRules)
  const { rejection } = orderDay(simulation.options, request, nowMillis)
  if (rejection !== null) return refused(orderError(rejection))
  if (request.quantity <= (state?.filled ?? 0)) {
    return refused(inputError("Quantity cannot be modified to less than what is filled."))
  }
  return answerWith(simulation.faults.next("modify", order.tag), simulation.maxDelayMillis, () => {
    simulation.orderList.modify(order, request, nowMillis)
    simulation.changed()
    return order.orderId
  })
}
