import { DateTime, Option, Result, Schema } from "effect"
import { indianMoment } from "../domain/market/indianTime.ts"
import type { SimulatorRequest } from "./Answer.ts"
import { planOf, ScriptStep } from "./Faults.ts"
import { indianTimestamp } from "./kiteTime.ts"
import { act, PersonAction } from "./person.ts"
import { jsonReply, kiteError, type Reply } from "./reply.ts"
import type { Simulation } from "./Simulation.ts"

const Steps = Schema.Array(ScriptStep)
const Clock = Schema.Union([
  Schema.Struct({ advance_millis: Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0)) }),
  Schema.Struct({ at: Schema.String })
])
const Address = Schema.Struct({ allowed: Schema.Boolean })

const Cancels = Schema.Struct({
  refusal: Schema.NullOr(
    Schema.Struct({
      status: Schema.Int.check(Schema.isGreaterThanOrEqualTo(400)),
      error_type: Schema.String,
      message: Schema.String
    })
  )
})

const done = jsonReply(200, { done: true })

/** The control interface below /simulator: ledger, summary, faults, clock, tokens and a person. It needs no login. */
export const control = (simulation: Simulation, request: SimulatorRequest): Reply => {
  const path = request.parts.slice(1).join("/")
  switch (`${request.method} ${path}`) {
    case "GET ledger":
      return jsonReply(200, simulation.ledger)
    case "GET summary":
      return jsonReply(200, simulation.summary)
    case "POST script":
      return decoded(Steps, request.body, (steps) => simulation.faults.script(steps))
    case "POST clock":
      return moveClock(simulation, request.body)
    case "POST address":
      return decoded(Address, request.body, ({ allowed }) => {
        simulation.addressAllowed = allowed
      })
    case "POST person":
      return personActs(simulation, request.body)
    case "POST cancels":
      return decoded(Cancels, request.body, ({ refusal }) => {
        simulation.cancelRefusal =
          refusal === null ? null : kiteError(refusal.status, refusal.error_type, refusal.message)
      })
    case "POST faults":
      return setFaults(simulation, request.body)
    case "POST token":
      return jsonReply(200, { access_token: simulation.session.issue(simulation.now()) })
    case "POST token/expire":
      simulation.session.expireAll()
      return done
    default:
      return jsonReply(404, { message: `There is no ${request.method} /simulator/${path}` })
  }
}

const decoded = <A>(schema: Schema.Decoder<A>, body: string, use: (given: A) => void): Reply => {
  const given = Schema.decodeUnknownResult(Schema.fromJsonString(schema))(body)
  if (Result.isFailure(given)) return jsonReply(400, { message: given.failure.message })
  use(given.success)
  return done
}

/** Advances the clock by a time, or to a moment such as 15:14 or 2026-12-01T09:00:00+05:30. It never goes back. */
const moveClock = (simulation: Simulation, body: string): Reply => {
  const given = Schema.decodeUnknownResult(Schema.fromJsonString(Clock))(body)
  if (Result.isFailure(given)) return jsonReply(400, { message: given.failure.message })
  const now = simulation.now()
  if ("advance_millis" in given.success) simulation.advance(given.success.advance_millis)
  else {
    const at = Option.getOrNull(indianMoment(given.success.at, DateTime.makeUnsafe(now)))
    if (at === null)
      return jsonReply(400, { message: "at must be a time in India such as 15:14, or a moment with its zone" })
    const millis = DateTime.toEpochMillis(at) - now
    if (millis < 0)
      return jsonReply(400, { message: `The simulator's clock is at ${indianTimestamp(now)}, and never goes back` })
    simulation.advance(millis)
  }
  return done
}

const personActs = (simulation: Simulation, body: string): Reply => {
  const given = Schema.decodeUnknownResult(Schema.fromJsonString(PersonAction))(body)
  const problem = Result.isFailure(given) ? given.failure.message : act(simulation, given.success)?.message
  return problem === undefined ? done : jsonReply(400, { message: problem })
}

const setFaults = (simulation: Simulation, body: string): Reply => {
  const given = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Unknown))(body)
  const plan = Result.isFailure(given) ? given.failure.message : planOf(given.success)
  if (typeof plan === "string") return jsonReply(400, { message: plan })
  simulation.faults.setPlan(plan)
  return done
}
