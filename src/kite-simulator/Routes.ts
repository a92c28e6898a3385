import { type Answer, answered, type SimulatorRequest, refused } from "./Answer.ts"
import { control } from "./control.ts"
import { htmlReply, tooManyRequests } from "./faultyAnswer.ts"
import { indianTimestamp } from "./kiteTime.ts"
import { instrumentsCsv } from "./listedInstruments.ts"
import { lookup } from "./lookups.ts"
import { orderRequest } from "./orderRequests.ts"
import { quotes } from "./quotes.ts"
import { failure, htmlPage, inputError, kiteError, notAuthorized, type Reply, reply, success } from "./reply.ts"
import type { Simulation } from "./Simulation.ts"

const noRoute = kiteError(404, "GeneralException", "Route not found")
const wrongVersion = inputError("Missing or unsupported `X-Kite-Version` header: it must be 3.")

const person = {
  user_id: "SIM001",
  user_type: "individual",
  email: "simulator@example.com",
  user_name: "Kite Simulator",
  user_shortname: "Simulator",
  broker: "ZERODHA",
  exchanges: ["NSE", "BSE", "NFO", "BFO", "CDS", "BCD", "MCX"],
  products: ["CNC", "NRML", "MIS", "MTF"],
  order_types: ["MARKET", "LIMIT", "SL", "SL-M"],
  avatar_url: null,
  meta: { demat_consent: "physical" }
}

/** Handles a request. Requests to Kite's paths are recorded in the ledger; those of the control interface are not. */
export const respond = (simulation: Simulation, request: SimulatorRequest): Reply => {
  if (request.parts[0] === "simulator") return control(simulation, request)
  const now = simulation.now()
  const { reply, outcome, fault, tag, orderId, counted } = route(simulation, request, now)
  simulation.record({
    at: now,
    method: request.method,
    path: request.path,
    outcome,
    tag,
    orderId,
    status: reply.delivery === "dropped" || reply.delivery === "silent" ? null : reply.status,
    fault,
    counted
  })
  return reply
}

const route = (simulation: Simulation, request: SimulatorRequest, now: number): Answer => {
  const { method, parts, headers } = request
  const [first, second, third] = parts
  if (method === "GET" && first === "connect" && second === "login") return login(simulation, request, now)
  if (headers["x-kite-version"] !== "3") return refused(wrongVersion)
  if (first === "session" && second === "token") return session(simulation, request, now) ?? refused(noRoute)
  const header = headers["authorization"]
  if (first === "orders" && isOrderRequest(method, second, third) && simulation.session.recognizes(header)) {
    return orderRequest(simulation, request, now)
  }
  if (!simulation.session.authorizes(header, now)) return refused(notAuthorized)
  if (isLookup(method, first) && simulation.limits.takeLookup(now, simulation.options.lookupsPerSecond)) {
    return { ...refused(tooManyRequests), outcome: "limited" }
  }
  return (method === "GET" ? get(simulation, request, now) : null) ?? refused(noRoute)
}

const isLookup = (method: string, first: string | undefined): boolean =>
  method === "GET" && (first === "orders" || first === "trades" || first === "user")

const isOrderRequest = (method: string, variety: string | undefined, orderId: string | undefined): boolean =>
  (method === "POST" && variety !== undefined && orderId === undefined) ||
  ((method === "PUT" || method === "DELETE") && orderId !== undefined)

const get = (simulation: Simulation, request: SimulatorRequest, now: number): Answer | null => {
  const [first, second] = request.parts
  if (first === "user" && second === "profile") return faulty(simulation, () => success(person))
  if (first === "instruments") return answered(reply(200, "text/csv", instrumentsCsv(second ?? null, now)))
  if (first === "quote" && second === undefined) return quotes(simulation, request, now)
  return lookup(simulation, request, now)
}

const login = (simulation: Simulation, { query }: SimulatorRequest, now: number): Answer => {
  if (query.get("api_key") !== simulation.options.apiKey) return refused(inputError("Invalid `api_key`."))
  const token = simulation.session.login(now)
  const link = `/?request_token=${token}&amp;action=login&amp;type=login&amp;status=success`
  const page = htmlPage("Kite login", `<p>Request token: <code>${token}</code></p><p><a href="${link}">Go on</a></p>`)
  return answered(reply(200, "text/html", page))
}

/** The answer to a login or profile request: `whole` unless a fault hits it. */
const faulty = (simulation: Simulation, whole: () => Reply): Answer => {
  const fault = simulation.faults.next("session")
  if (fault === null) return answered(whole())
  const spoilt = fault.kind === "session_silent" ? silent : fault.kind === "session_html" ? htmlReply(502) : down
  return { ...answered(spoilt), fault: fault.kind }
}
const silent: Reply = { ...reply(0, "", ""), delivery: "silent" }
const down = failure(kiteError(503, "NetworkException", "The user service is not reachable. Please try again."))

const session = (simulation: Simulation, request: SimulatorRequest, now: number): Answer | null => {
  const { options } = simulation
  if (request.method === "POST") {
    const bought = simulation.session.exchange(request.form, now)
    if ("problem" in bought) return refused(kiteError(403, "TokenException", bought.problem))
    const tokens = { access_token: bought.token, public_token: "", refresh_token: "", enctoken: "" }
    const entry = { api_key: options.apiKey, login_time: indianTimestamp(now), silo: "" }
    return faulty(simulation, () => success({ ...person, ...tokens, ...entry }))
  }
  if (request.method !== "DELETE") return null
  const token = request.query.get("access_token")
  if (!simulation.session.isValid(request.query.get("api_key"), token, now)) return refused(notAuthorized)
  simulation.session.end(token ?? "")
  return answered(success(true))
}
