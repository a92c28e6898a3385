import { DateTime, Duration, Effect, Layer } from "effect"
import { BrokerTryLater, type BrokerError } from "../../domain/model/BrokerError.ts"
import { seededRandom } from "../../domain/planning/schedule/SeededRandom.ts"
import { Broker } from "../Broker.ts"
import { Instruction } from "./Instruction.ts"
import { connectionReset, loseAnswer } from "./loseAnswer.ts"
import { tooManyRequests } from "./withSecondLimit.ts"

export interface FaultOptions {
  /** The share of calls that go wrong, 0 to 1. */
  readonly rate: number
  readonly seed: string
}

const placeFaults = [
  "lost_request",
  "lost_acknowledgement",
  "late_order",
  "refused_connection",
  "too_many_requests"
] as const
const lookupFaults = ["refused_connection", "too_many_requests"] as const
const cancelFaults = ["lost_request", "lost_acknowledgement", "refused_connection", "too_many_requests"] as const

type Fault = (typeof placeFaults)[number]

/** The latest arrival of a late order, as a share of the quarantine, which the mock never exceeds. */
const latestArrival = 0.8

/**
 * Makes calls fail at random. The seed decides which ones and how: the n-th placement, look-up, quote request and cancel meet
 * the same faults in every run.
 * - `lost_request`: unknown; the broker never got it.
 * - `lost_acknowledgement`: unknown; the broker did what was asked.
 * - `late_order`: unknown; the order appears in the order list only after a while, within the quarantine.
 * - `refused_connection`, `too_many_requests`: the request certainly had no effect; BrokerTryLater.
 */
export const withFaults = (options: FaultOptions): Layer.Layer<Broker, never, Broker> =>
  Layer.effect(
    Broker,
    Effect.gen(function* () {
      const below = yield* Broker
      const forPlace = faultSequence(options, "place", placeFaults)
      const forLookup = faultSequence(options, "find_by_tag", lookupFaults)
      const forQuotes = faultSequence(options, "quotes", lookupFaults)
      const forCancel = faultSequence(options, "cancel", cancelFaults)

      return Broker.of({
        ...below,
        place: (placement) =>
          Effect.suspend(() => {
            const { fault, severity } = forPlace()
            const place = below.place(placement)
            if (fault !== "late_order") return withFault(place, fault)
            const arrivesAfter = Duration.times(below.quarantine, latestArrival * severity)
            const late = Effect.updateService(place, Instruction, (before) => ({ ...before, arrivesAfter }))
            return withFault(late, "lost_acknowledgement")
          }),
        findByTag: (tags) =>
          Effect.suspend(() => {
            const { fault } = forLookup()
            return fault === null ? below.findByTag(tags) : refuse(fault)
          }),
        quotes: (instruments) =>
          Effect.suspend(() => {
            const { fault } = forQuotes()
            return fault === null ? below.quotes(instruments) : refuse(fault)
          }),
        cancel: (brokerOrderId) => Effect.suspend(() => withFault(below.cancel(brokerOrderId), forCancel().fault))
      })
    })
  )

/** The faults of one kind of call: null for a call without one, and a severity in [0, 1). */
const faultSequence = <F extends Fault>(options: FaultOptions, call: string, kinds: ReadonlyArray<F>) => {
  const random = seededRandom(`${options.seed}\nfaults\n${call}`)
  return (): { readonly fault: F | null; readonly severity: number } => {
    // Always three numbers per call, so that the rate does not shift the faults of later calls.
    const [whether, which, severity] = [random(), random(), random()]
    const fault = whether < options.rate ? (kinds[Math.floor(which * kinds.length)] ?? null) : null
    return { fault, severity }
  }
}

const withFault = <A>(
  call: Effect.Effect<A, BrokerError>,
  fault: Exclude<Fault, "late_order"> | null
): Effect.Effect<A, BrokerError> => {
  switch (fault) {
    case null:
      return call
    case "lost_request":
      return Effect.fail(connectionReset)
    case "lost_acknowledgement":
      return loseAnswer(call, Effect.fail(connectionReset))
    case "refused_connection":
    case "too_many_requests":
      return refuse(fault)
  }
}

const refuse = (fault: "refused_connection" | "too_many_requests"): Effect.Effect<never, BrokerTryLater> =>
  Effect.flatMap(DateTime.now, (now) =>
    Effect.fail(
      fault === "too_many_requests"
        ? tooManyRequests(Math.floor(DateTime.toEpochMillis(now) / 1000))
        : new BrokerTryLater({
            code: "connection_refused",
            message: "The broker refused the connection.",
            retryAt: DateTime.add(now, { seconds: 1 })
          })
    )
  )
