import { Duration } from "effect"

export interface CircuitOptions {
  /** So many placements in a row without a clear answer open the circuit. */
  readonly failures: number
  /** How long it stays open the first time; twice as long after each probe that fails, up to {@link maxPause}. */
  readonly pause: Duration.Duration
}

/**
 * Whether a broker seems to be in order. CLOSED: it does. OPEN: it does not, and is left alone until `untilMillis`.
 * PROBING: one placement is under way to find out.
 */
export type Circuit =
  | { readonly _tag: "Closed"; readonly failures: number }
  | { readonly _tag: "Open"; readonly untilMillis: number; readonly pauseMillis: number }
  | { readonly _tag: "Probing"; readonly pauseMillis: number }

/** What a placement tells about the broker; "refused us" is a broker that takes no orders from this address. */
export type Sign = "answered" | "no clear answer" | "refused us" | "not sent"

export const closed: Circuit = { _tag: "Closed", failures: 0 }

export const maxPause = Duration.minutes(1)

/** Whether a placement may go through now, and the circuit after that. */
export const admit = (
  circuit: Circuit,
  nowMillis: number
): { readonly mayPass: boolean; readonly circuit: Circuit } => {
  if (circuit._tag === "Closed") return { mayPass: true, circuit }
  if (circuit._tag === "Probing" || nowMillis < circuit.untilMillis) return { mayPass: false, circuit }
  return { mayPass: true, circuit: { _tag: "Probing", pauseMillis: circuit.pauseMillis } }
}

/** The circuit after a placement that went through. */
export const learn = (circuit: Circuit, sign: Sign, nowMillis: number, options: CircuitOptions): Circuit => {
  if (sign === "answered") return closed
  const firstPause = Duration.toMillis(options.pause)
  const open = (pauseMillis: number): Circuit => ({ _tag: "Open", untilMillis: nowMillis + pauseMillis, pauseMillis })
  if (circuit._tag === "Probing") {
    // A probe that did not leave us has found out nothing: the next placement is the probe.
    return sign === "not sent"
      ? { _tag: "Open", untilMillis: nowMillis, pauseMillis: circuit.pauseMillis }
      : open(Math.min(circuit.pauseMillis * 2, Duration.toMillis(maxPause)))
  }
  // The stragglers of a circuit that opened meanwhile change nothing.
  if (circuit._tag === "Open" || sign === "not sent") return circuit
  const failures = circuit.failures + 1
  return sign === "refused us" || failures >= options.failures ? open(firstPause) : { _tag: "Closed", failures }
}
