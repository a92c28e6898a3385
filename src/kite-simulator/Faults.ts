import { Schema } from "effect"
import { seededRandom } from "../domain/planning/schedule/SeededRandom.ts"

/** What can go wrong with a POST, PUT or DELETE on orders without any order behaving differently. */
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

/** What can go wrong with a placement only. */
const orderFaults = [
  "refused_margin",
  "refused_holding_428",
  "refused_permission_403",
  "rejected_late",
  "partial_fill",
  "stuck_pending",
  "unknown_status"
] as const

const orderListFaults = ["book_503", "book_truncated", "book_html", "book_stale", "book_slow"] as const
const sessionFaults = ["session_silent", "session_503", "session_html"] as const
const feedFaults = ["feed_lost", "feed_doubled", "feed_reordered", "feed_dropped"] as const

const faultKinds = [...answerFaults, ...orderFaults, ...orderListFaults, ...sessionFaults, ...feedFaults] as const
export const FaultKind = Schema.Literals(faultKinds)
export type FaultKind = typeof FaultKind.Type

/** What a fault can hit: a placement, a modification, a cancellation, a look at the order book, an exchange of a
 * token or a look at the profile, a frame of the feed. */
export const FaultTarget = Schema.Literals(["place", "modify", "cancel", "book", "session", "feed"])
export type FaultTarget = typeof FaultTarget.Type

const kindsOf: { readonly [T in FaultTarget]: ReadonlyArray<FaultKind> } = {
  place: [...answerFaults, ...orderFaults],
  modify: answerFaults,
  cancel: answerFaults,
  book: orderListFaults,
  session: sessionFaults,
  feed: feedFaults
}

/** How likely each kind of fault is, 0 to 1, for each request (or frame) that it can hit. */
export type FaultPlan = { readonly [K in FaultKind]?: number }

/** One fault that is to happen. */
export const ScriptStep = Schema.Struct({
  kind: FaultKind,
  /** Only the placement with this tag meets it; without one, the next request of its target does. */
  tag: Schema.optionalKey(Schema.String),
  /**
   * Milliseconds: how late a taken order appears in the book, how late a slow answer comes, how long an order is stuck
   * or in an unknown status, or how far back a stale book looks. Without it the seed decides.
   */
  delayMillis: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))),
  /** Whether the request is carried out, for the kinds that leave it open. Without it the seed decides. */
  taken: Schema.optionalKey(Schema.Boolean),
  /** What an answer's fault is to hit; placements, if not said. */
  on: Schema.optionalKey(Schema.Literals(["place", "modify", "cancel"]))
})
export type ScriptStep = typeof ScriptStep.Type

/** A fault that a request meets. The uniform numbers in [0, 1) decide its details. */
export interface Fault {
  readonly kind: FaultKind
  readonly delayMillis: number | null
  readonly taken: boolean
  readonly severity: number
  readonly variation: number
}

/**
 * All faults but those after which nothing is placed for minutes, so that of each kind of request this share goes wrong,
 * each fault as likely as any other.
 */
export const everyFault = (rate: number): FaultPlan => {
  const plan: { -readonly [K in FaultKind]?: number } = {}
  for (const kinds of [kindsOf.place.filter((kind) => kind !== "daily_cap"), orderListFaults, feedFaults]) {
    for (const kind of kinds) plan[kind] = rate / kinds.length
  }
  return plan
}

/** Reads a plan that came from outside: the plan, or what is wrong with it. */
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

/** Whose faults hit nothing else. */
const isOneTarget = (target: FaultTarget): boolean => target === "book" || target === "session" || target === "feed"

const isFaultKind = Schema.is(FaultKind)

/** Decides which requests go wrong, and how: what the script says first, then what plan and seed do. */
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

  /** How often each kind was injected. */
  get injected(): { readonly [K in FaultKind]?: number } {
    return Object.fromEntries(this.#injected)
  }

  /** What the next request of this target meets. A kind outside `except` only. */
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
    return { kind, delayMillis: step?.delayMillis ?? null, taken: step?.taken ?? taken < 0.5, severity, variation }
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
