import { Clock, DateTime, Duration, Effect, Exit, Layer } from "effect"
import {
  admit,
  type Circuit,
  type CircuitOptions,
  closed,
  learn,
  type Sign
} from "../../domain/lifecycle/CircuitBreaker.ts"
import { OrderTroubles } from "../../domain/lifecycle/OrderTroubles.ts"
import { brokerErrorOf } from "../../domain/lifecycle/placement.ts"
import { notConnected, type BrokerError, BrokerNotSent } from "../../domain/model/BrokerError.ts"
import type { Acknowledgement } from "../../domain/model/BrokerOrder.ts"
import type { OrderId } from "../../domain/model/Ids.ts"
import { Broker } from "../Broker.ts"
import { PlacementGate } from "../PlacementGate.ts"

/**
 * A circuit breaker around placements. After several placements in a row without a clear answer it opens for a while; then one
 * probe decides whether it closes. A placement without a clear answer does not count if another that was sent later was answered.
 * One order without clear answers waits by itself while others get some ({@link OrderTroubles}). The circuit opens at once if
 * the broker takes no orders from our address, as a cancel may find out, too. Look-ups and cancels always pass.
 */
export const withCircuit = (options: CircuitOptions): Layer.Layer<Broker, never, Broker | PlacementGate> =>
  Layer.effect(
    Broker,
    Effect.gen(function* () {
      const below = yield* Broker
      const clock = yield* Clock.Clock
      const { current, step } = yield* makeShownCircuit
      const troubles = new OrderTroubles()

      const learnFrom = (orderId: OrderId, sentMillis: number) => (answer: Exit.Exit<Acknowledgement, BrokerError>) => {
        const nowMillis = clock.currentTimeMillisUnsafe()
        const { sign, message } = signOf(answer)
        if (sign === "answered") troubles.answered(orderId, nowMillis)
        const isOwnTrouble = sign === "no clear answer" && !troubles.unclear(orderId, nowMillis)
        // A probe has to end, whoever's it is.
        return isOwnTrouble && current()._tag === "Closed"
          ? Effect.void
          : step(learn(current(), sign, { sentMillis, nowMillis }, options), message, nowMillis)
      }

      /** A refused address holds for placements, too. Nothing else about a cancel changes the circuit. */
      const learnFromCancel = (error: BrokerError) => {
        const nowMillis = clock.currentTimeMillisUnsafe()
        const { sign, message } = signOf(Exit.fail(error))
        return sign === "refused us"
          ? step(learn(current(), sign, { sentMillis: nowMillis, nowMillis }, options), message, nowMillis)
          : Effect.void
      }

      return Broker.of({
        ...below,
        cancel: (brokerOrderId, isRepeated) =>
          Effect.tapError(below.cancel(brokerOrderId, isRepeated), learnFromCancel),
        place: (placement) =>
          Effect.uninterruptibleMask((restore): Effect.Effect<Acknowledgement, BrokerError> => {
            const now = clock.currentTimeMillisUnsafe()
            const circuit = current()
            const admitted = admit(circuit, now)
            if (!admitted.mayPass) return Effect.fail(notWhileOpen(circuit, now))
            const { orderId } = placement
            const probeFromMillis = circuit._tag === "Open" ? circuit.untilMillis : null
            const waitsUntil = troubles.waitsUntil(orderId, now, probeFromMillis)
            if (waitsUntil !== null) return Effect.fail(notWhileInTrouble(waitsUntil))
            const placed = Effect.onExit(restore(below.place(placement)), learnFrom(orderId, now))
            return admitted.circuit === circuit ? placed : Effect.andThen(step(admitted.circuit, "", now), placed)
          })
      })
    })
  )

/** The circuit of this process, shown at the placement gate. */
const makeShownCircuit = Effect.gen(function* () {
  const gate = yield* PlacementGate
  const scope = yield* Effect.scope
  let circuit: Circuit = closed

  /** Closes the placement gate while the circuit is not closed, and opens it again when a probe may pass. */
  const show = (message: string, nowMillis: number) => {
    if (circuit._tag === "Closed") return gate.open("circuit")
    if (circuit._tag === "Probing") return gate.close("circuit", "one placement finds out whether the broker is well")
    const shown = circuit
    const pause = Duration.millis(circuit.untilMillis - nowMillis)
    // The circuit may have closed and opened again meanwhile, with a closure of its own.
    const end = Effect.suspend(() => (circuit === shown ? gate.open("circuit") : Effect.void))
    return gate
      .close("circuit", `${message}; the next one is tried in ${Duration.format(pause)}`)
      .pipe(Effect.andThen(Effect.forkIn(Effect.andThen(Effect.sleep(pause), end), scope)))
  }

  /** Takes a step at once, and returns what is to be done about it. */
  const step = (next: Circuit, message: string, nowMillis: number): Effect.Effect<void> => {
    const isNew = next._tag !== circuit._tag
    circuit = next
    return isNew ? show(message, nowMillis) : Effect.void
  }

  return { current: () => circuit, step }
})

const notWhileOpen = (circuit: Circuit, nowMillis: number): BrokerNotSent =>
  new BrokerNotSent({
    code: "circuit_open",
    message: "Not sent: the broker gives no clear answers and is left alone for a while",
    retryAt: DateTime.makeUnsafe(circuit._tag === "Open" ? circuit.untilMillis : nowMillis + 1000)
  })

const notWhileInTrouble = (untilMillis: number): BrokerNotSent =>
  new BrokerNotSent({
    code: "order_in_trouble",
    message: "Not sent: the broker has given this order no clear answers, so it waits for a while and others go first",
    retryAt: DateTime.makeUnsafe(untilMillis)
  })

const signOf = (answer: Exit.Exit<Acknowledgement, BrokerError>): { readonly sign: Sign; readonly message: string } => {
  if (Exit.isSuccess(answer)) return { sign: "answered", message: "" }
  const error = brokerErrorOf(answer)
  if (error === null) return { sign: "no clear answer", message: "a placement did not end in order" }
  const { message } = error
  switch (error._tag) {
    case "BrokerNotSent":
      return { sign: "not sent", message }
    case "BrokerOutcomeUnknown":
      return { sign: "no clear answer", message: `the broker gives no clear answers, the last: ${message}` }
    case "BrokerCredentialsInvalid":
      return error.kind === "address"
        ? { sign: "refused us", message: `the broker takes no orders from this address: ${message}` }
        : { sign: "answered", message }
    case "BrokerTryLater":
      return error.code === notConnected
        ? { sign: "no clear answer", message: `the broker cannot be reached: ${message}` }
        : { sign: "answered", message }
    case "BrokerRefused":
      return { sign: "answered", message }
  }
}
