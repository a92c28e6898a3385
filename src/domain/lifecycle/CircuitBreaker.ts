import { Duration } from "effect"
import { isPausedUntil } from "./pause.ts"

export interface CircuitOptions {
  /** How many placements in a row without a clear answer open the circuit. */
  readonly failures: number
  /** How long it stays open at first; doubled after each failed probe, up to {@link maxPause}. */
  readonly pause: Duration.Duration
}

/**
 * The state of a circuit breaker. Closed: placements pass. Open: none passes until `untilMillis`. Probing: one placement is in
 * flight to find out whether the broker is well. `answeredMillis` is when the latest of the answered placements was sent.
 */
export type Circuit =
  | { readonly _tag: "Closed"; readonly failures: number; readonly answeredMillis: number }
  | { readonly _tag: "Open"; readonly untilMillis: number; readonly pauseMillis: number }
  | { readonly _tag: "Probing"; readonly pauseMillis: number }

/** The sign that a placement's answer gives about the broker; "refused us": it takes no orders from this address. */
export type Sign = "answered" | "no clear answer" | "refused us" | "not sent"

export const closed: Circuit = { _tag: "Closed", failures: 0, answeredMillis: Number.NEGATIVE_INFINITY }

export const maxPause = Duration.minutes(1)

/** Whether a placement may pass now, and the circuit after it. */
export const admit = (
  circuit: Circuit,
  nowMillis: number
): { readonly mayPass: boolean; readonly circuit: Circuit } => {
  if (circuit._tag === "Closed") return { mayPass: true, circuit }
  if (circuit._tag === "Probing") return { mayPass: false, circuit }
  if (isPausedUntil(nowMillis, circuit.untilMillis, circuit.pauseMillis)) return { mayPass: false, circuit }
  return { mayPass: true, circuit: { _tag: "Probing", pauseMillis: circuit.pauseMillis } }
}

/** The circuit after the answer of a placement that passed, and was sent at `sentMillis`. */
export const learn = (
  circuit: Circuit,
  sign: Sign,
  { sentMillis, nowMillis }: { readonly sentMillis: number; readonly nowMillis: number },
  options: CircuitOptions
): Circuit => {
  const answeredMillis = circuit._tag === "Closed" ? circuit.answeredMillis : Number.NEGATIVE_INFINITY
  if (sign === "answered") {
    const latest = answeredMillis <= nowMillis ? Math.max(answeredMillis, sentMillis) : sentMillis
    return { _tag: "Closed", failures: 0, answeredMillis: latest }
  }
  const firstPause = Duration.toMillis(options.pause)
  const open = (pauseMillis: number): Circuit => ({ _tag: "Open", untilMillis: nowMillis + pauseMillis, pauseMillis })
  if (circuit._tag === "Probing") {
    // A probe that was not sent tells nothing: the next placement is the probe.
    return sign === "not sent"
      ? { _tag: "Open", untilMillis: nowMillis, pauseMillis: circuit.pauseMillis }
      : open(Math.min(circuit.pauseMillis * 2, Duration.toMillis(maxPause)))
  }
  // Calls that began before the circuit opened do not change it.
  if (circuit._tag === "Open" || sign === "not sent") return circuit
  if (sign === "refused us") return open(firstPause)
  // The broker has answered a placement that was sent later: it is well, and this one's order has a trouble of its own. Not one of
  // the future, which was sent before the clock was set back.
  if (sentMillis < answeredMillis && answeredMillis <= nowMillis) return circuit
  const failures = circuit.failures + 1
  return failures >= options.failures ? open(firstPause) : { ...circuit, failures }
}
