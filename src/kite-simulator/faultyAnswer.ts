import type { Answer } from "./Answer.ts"
import type { Fault, FaultKind } from "./Faults.ts"
import { failure, htmlPage, inputError, kiteError, orderError, type Reply, reply, success } from "./reply.ts"

const timedOut = "Order request timed out. Please check the order book and confirm before placing again."
const tryAgain = "Something went wrong. Please try again after some time."

/** Kinds after which the request may have been carried out or not. */
const openKinds: ReadonlySet<FaultKind> = new Set<FaultKind>([
  "server_error_500",
  "bad_gateway_502",
  "unavailable_503",
  "gateway_timeout_504",
  "html",
  "redirect"
])
const notTaken: ReadonlySet<FaultKind> = new Set<FaultKind>(["drop_before", "silence_before"])

/** Carries the request out and returns the order id. `told` is whether the answer will contain it. */
type CarryOut = (lateMillis: number, told: boolean) => string

/**
 * Answers a valid order request under its fault. A request whose answer is lost may still be carried out, and then its order may
 * appear late in the order list.
 */
export const answerWith = (fault: Fault | null, maxDelayMillis: number, carryOut: CarryOut): Answer => {
  const base = { fault: fault?.kind ?? null, tag: null, counted: true }
  const limited = fault === null ? null : limitedReply(fault)
  if (limited !== null) return { ...base, reply: limited, outcome: "limited", orderId: null }
  const broken = fault === null ? null : brokenReply(fault)
  if (fault === null || broken === null) {
    const orderId = carryOut(0, true)
    const delayMillis = fault?.kind === "slow" ? (fault.delayMillis ?? Math.ceil(3000 * fault.severity)) : 0
    return { ...base, reply: { ...success({ order_id: orderId }), delayMillis }, outcome: "accepted", orderId }
  }
  const isTaken = openKinds.has(fault.kind) ? fault.taken : !notTaken.has(fault.kind)
  const orderId = isTaken ? carryOut(lateMillisOf(fault, maxDelayMillis), false) : null
  return { ...base, reply: broken(orderId ?? ""), outcome: isTaken ? "lost_taken" : "lost_not_taken", orderId }
}

/** Refusals for the rate. Some 429 are HTML: they come from a proxy in front of Kite. */
const limitedReply = (fault: Fault): Reply | null => {
  switch (fault.kind) {
    case "rate_limited":
      return failure(tooManyRequests)
    case "rate_limited_html":
      return htmlReply(429)
    case "daily_cap":
      return failure(fault.variation < 0.5 ? dailyCap : { ...dailyCap, status: 429, errorType: "NetworkException" })
    default:
      return null
  }
}

export const dailyCap = kiteError(400, "InputException", "Maximum allowed order requests exceeded")
export const tooManyRequests = kiteError(429, "NetworkException", "Too many requests")

/** A quarter of the taken orders appear at once, the rest within the maximum delay. In milliseconds. */
const lateMillisOf = (fault: Fault, maxDelayMillis: number): number =>
  Math.ceil(fault.delayMillis ?? maxDelayMillis * Math.max(0, (fault.severity - 0.25) / 0.75))

/** The reply of a fault after which the caller cannot know the outcome; null for other faults. */
const brokenReply = (fault: Fault): ((orderId: string) => Reply) | null => {
  const always = (reply: Reply) => () => reply
  switch (fault.kind) {
    case "drop_before":
    case "drop_after":
      return always({ ...reply(0, "", ""), delivery: "dropped" })
    case "silence":
    case "silence_before":
      return always({ ...reply(0, "", ""), delivery: "silent" })
    case "server_error_500":
      return always(failure(kiteError(500, "GeneralException", tryAgain)))
    case "bad_gateway_502":
      return always(failure(kiteError(502, "DataException", "Could not understand the response from the OMS.")))
    case "unavailable_503":
      return always(failure(kiteError(503, "NetworkException", "The OMS is not reachable. Please try again.")))
    case "gateway_timeout_504":
      return always(failure(kiteError(504, "DataException", "Gateway timed out.")))
    case "timed_out_400":
      return always(failure(fault.variation < 0.5 ? inputError(timedOut) : orderError(timedOut)))
    case "html":
      return always(htmlReply(fault.variation < 0.5 ? 200 : 502))
    case "redirect":
      return always(htmlReply(302))
    case "truncated":
      return (orderId) => truncate(success({ order_id: orderId }), fault.variation < 0.5)
    case "no_order_id":
      return always(success({}))
    default:
      return null
  }
}

export const htmlReply = (status: number): Reply =>
  reply(status, "text/html", htmlPage("Bad gateway", "<h1>Sorry</h1><p>The service is being maintained.</p>"))

/** Half of a body, either as a complete reply or before the connection breaks. */
export const truncate = (whole: Reply, isCut: boolean): Reply =>
  isCut ? { ...whole, delivery: "cut" } : { ...whole, body: whole.body.slice(0, Math.ceil(whole.body.length / 2)) }
