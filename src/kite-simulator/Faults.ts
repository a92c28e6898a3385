import { Schema } from "effect"
import { seededRandom } from "../domain/planning/schedule/SeededRandom.ts"
import type { KiteError } from "./reply.ts"

/** Faults of the answer to a POST, PUT or DELETE on orders. The orders themselves behave normally. */
const answerFaults = [
  "rate_limited",
  "rate_limited_html",
  "daily_cap",
  "redirect",
  "drop_before",
  "drop_after",
  "silence",
  "silence_before",
  "server_error_500",
  "bad_gateway_502",
  "unavailable_503",
  "gateway_timeout_504",
  "timed_out_400",
  "html",
  "truncated",
  "no_order_id",
  "slow"
] as const

/** Faults of placements: refusals, and orders that behave unusually. */
const orderFaults = [
  "refused_margin",
  "refused_holding_428",
  "refused_permission_403",
  "rejected_late",
  "partial_fill",
  "stuck_pending",
  "unknown_status"
] as const

/**
 * Faults of placements that are acknowledged, and then the broker's records do not tell what was asked for: the order list is
 * wrong for a while or for ever, the trades disagree with it, cancels are refused, or a person acts in the broker's app.
 */
const discrepancies = [
  "absent",
  "resurrected",
  "complete_unfilled",
  "overfilled",
  "rejected_filled",
  "trades_fewer",
  "trades_late",
  "listed_twice",
  "older_beside",
  "stale_row",
  "rejected_twin",
  "person_cancels",
  "person_changes_quantity",
  "person_uses_tag",
  "person_invents_tag",
  "cancel_refused"
] as const

const orderListFaults = ["book_503", "book_truncated", "book_html", "book_stale", "book_slow", "book_odd_row"] as const
const sessionFaults = ["session_silent", "session_503", "session_html"] as const
const feedFaults = ["feed_lost", "feed_doubled", "feed_reordered", "feed_dropped"] as const

const faultKinds = [
  ...answerFaults,
  ...orderFaults,
  ...discrepancies,
  ...orderListFaults,
  ...sessionFaults,
  ...feedFaults
] as const
export const FaultKind = Schema.Literals(faultKinds)
export type FaultKind = typeof FaultKind.Type

/**
 * The target of a fault: a placement, a modification, a cancellation, a look-up of the order list (`book`), a token
 * exchange or profile request (`session`), or a frame of the feed. The names are part of the seeds of the random draws.
 */
export const FaultTarget = Schema.Literals(["place", "modify", "cancel", "book", "session", "feed"])
export type FaultTarget = typeof FaultTarget.Type

const kindsOf: { readonly [T in FaultTarget]: ReadonlyArray<FaultKind> } = {
  place: [...answerFaults, ...orderFaults, ...discrepancies],
  modify: answerFaults,
  cancel: answerFaults,
  book: orderListFaults,
  session: sessionFaults,
  feed: feedFaults
}

/** The probability of each kind of fault, 0 to 1, for each request or frame that it can hit. */
export type FaultPlan = { readonly [K in FaultKind]?: number }

/** One fault that is scheduled to happen. */
export const ScriptStep = Schema.Struct({
  kind: FaultKind,
  /** It hits the placement with this tag; without a tag, the next request of its target. */
  tag: Schema.optionalKey(Schema.String),
  /**
   * In milliseconds, by kind: the delay until a taken order is in the order list, the delay of a slow answer, the time that an
   * order is stuck or in an unknown status, or the age of a stale order list. Drawn from the seed if missing. Discrepancies: see
   * {@link discrepancyMillis}.
   */
  delayMillis: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))),
  /** Whether the request is carried out, for kinds that allow both. Drawn from the seed if missing. */
  taken: Schema.optionalKey(Schema.Boolean),
  /** The target of an answer fault; placements by default. */
  on: Schema.optionalKey(Schema.Literals(["place", "modify", "cancel"])),
  /**
   * The wrong quantity of a discrepancy: filled (`complete_unfilled`, `overfilled`), traded (`trades_fewer`), or what a person
   * changes the order to (`person_changes_quantity`). Drawn from the seed if missing.
   */
  quantity: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
  /** The answer to a refused cancel. One of two of Kite's if missing. */
  refusal: Schema.optionalKey(Schema.Struct({ status: Schema.Int, errorType: Schema.String, message: Schema.String }))
})
export type ScriptStep = typeof ScriptStep.Type

/** A fault of one request. `severity` and `variation` are uniform in [0, 1) and decide its details. */
export interface Fault {
  readonly kind: FaultKind
  readonly delayMillis: number | null
  readonly taken: boolean
  readonly severity: number
  readonly variation: number
  readonly quantity: number | null
  readonly refusal: KiteError | null
}

/**
 * A plan in which the share `rate` of each kind of request fails, all faults equally likely. Left out are the faults that stop
 * all placements for minutes, which are the daily cap and those of logins, and the discrepancies, after which a person must act.
 */
export const everyFault = (rate: number): FaultPlan => {
  const placements = [...answerFaults, ...orderFaults].filter((kind) => kind !== "daily_cap")
  return { ...evenly(placements, rate), ...evenly(orderListFaults, rate), ...evenly(feedFaults, rate) }
}

/** A plan in which the share `rate` of the placements meets a discrepancy, all equally likely. */
export const everyDiscrepancy = (rate: number): FaultPlan => evenly(discrepancies, rate)

const evenly = (kinds: ReadonlyArray<FaultKind>, rate: number): FaultPlan =>
  Object.fromEntries(kinds.map((kind) => [kind, rate / kinds.length]))

/** Validates a plan from outside; returns the plan or an error message. */
export const planOf = (given: unknown): FaultPlan | string => {
  if (typeof given !== "object" || given === null || Array.isArray(given)) return "A plan must be an object"
  const plan: { -readonly [K in FaultKind]?: number } = {}
  for (const [kind, rate] of Object.entries(given)) {
    if (!isFaultKind(kind)) return `Unknown fault ${JSON.stringify(kind)}; there are ${faultKinds.join(", ")}`
    if (typeof rate !== "number" || !(rate >= 0 && rate <= 1)) return `The rate of ${kind} must be a number from 0 to 1`
    plan[kind] = rate
  }
  return plan
}

/** Targets whose fault kinds apply to no other target. */
const isOneTarget = (target: FaultTarget): boolean => target === "book" || target === "session" || target === "feed"

const isFaultKind = Schema.is(FaultKind)

/** Decides which requests fail and how. Scripted faults come first, then those that plan and seed draw. */
export class Faults {
  readonly #seed: string
  #plan: FaultPlan
  #script: Array<ScriptStep> = []
  readonly #asked = new Map<FaultTarget, number>()
  readonly #injected = new Map<FaultKind, number>()

  constructor(seed: string, plan: FaultPlan) {
    this.#seed = seed
    this.#plan = plan
  }

  setPlan(plan: FaultPlan): void {
    this.#plan = plan
  }

  script(steps: ReadonlyArray<ScriptStep>): void {
    this.#script.push(...steps)
  }

  /** How often each kind has been injected. */
  get injected(): { readonly [K in FaultKind]?: number } {
    return Object.fromEntries(this.#injected)
  }

  /** The fault of the next request of this target, never one of the kinds `except`; null for none. */
  next(target: FaultTarget, tag: string | null = null, except: ReadonlyArray<FaultKind> = []): Fault | null {
    const number = this.#asked.get(target) ?? 0
    this.#asked.set(target, number + 1)
    const random = seededRandom(`${this.#seed}\nfault\n${target}\n${number}`)
    const [whether, taken, severity, variation] = [random(), random(), random(), random()]
    const possible = kindsOf[target].filter((kind) => !except.includes(kind))
    const step = this.#scripted(target, tag, possible)
    const kind = step?.kind ?? this.#planned(possible, whether)
    if (kind === null) return null
    this.#injected.set(kind, (this.#injected.get(kind) ?? 0) + 1)
    return {
      kind,
      delayMillis: step?.delayMillis ?? null,
      taken: step?.taken ?? taken < 0.5,
      severity,
      variation,
      quantity: step?.quantity ?? null,
      refusal: step?.refusal ?? null
    }
  }

  #scripted(target: FaultTarget, tag: string | null, possible: ReadonlyArray<FaultKind>): ScriptStep | null {
    const fits = (step: ScriptStep) =>
      possible.includes(step.kind) && (isOneTarget(target) || (step.on ?? "place") === target)
    const own = this.#script.findIndex((step) => fits(step) && step.tag !== undefined && step.tag === tag)
    const index = own === -1 ? this.#script.findIndex((step) => fits(step) && step.tag === undefined) : own
    return index === -1 ? null : (this.#script.splice(index, 1)[0] ?? null)
  }

  #planned(possible: ReadonlyArray<FaultKind>, whether: number): FaultKind | null {
    let sum = 0
    for (const kind of possible) {
      sum += this.#plan[kind] ?? 0
      if (whether < sum) return kind
    }
    return null
  }
}
