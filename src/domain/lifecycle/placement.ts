import { Cause, DateTime, Duration, Exit } from "effect"
import { breachesNow, priceOf } from "../limits/marketLimits.ts"
import { breachesOfSlice, type Exposure, type PreTradeLimits } from "../limits/preTradeLimits.ts"
import type { SessionMargins } from "../market/SessionMargins.ts"
import { type SessionAt, sessionAt, type TradingCalendar } from "../market/TradingCalendar.ts"
import { venueIds, venueOf } from "../market/Venue.ts"
import { type BrokerError, type BrokerNotSent, notNowCode } from "../model/BrokerError.ts"
import type { Acknowledgement } from "../model/BrokerOrder.ts"
import type { ClosureKind, GateClosure } from "../model/GateClosure.ts"
import type { ClaimedSlice, NextStage } from "../model/OrderSlice.ts"
import { because, type Reason, type ReasonCode } from "../model/reason.ts"
import { isWindowOver } from "../model/sliceState.ts"
import { isPausedUntil } from "./pause.ts"

/**
 * May this slice go now, and if not, why? This module decides, or names the function that does. Below are all ways of not
 * placing, in the order in which a slice meets them; the first that applies wins.
 *
 * 1. Claim (statement `SliceStore.claimDue`): the order is on hold; not due soon; the window is over; late with RESPREAD;
 *    planned with trading hours that this daemon does not keep; halted by an operator; the database server's history is not
 *    settled, or behind what this daemon has seen. The slice stays SCHEDULED. While the
 *    placement gate is closed (`pollDue`) nothing is claimed.
 * 2. Queue (`pollDue`, `fireDue`): the gate is closed ({@link closureOf}), the order was cancelled or put on hold, the
 *    executor stops: {@link givenBack}. Not due yet, or a back-off lasts: the slice waits ({@link fireAtMillis}).
 * 3. Firing (`refusalNow`): {@link clockUnknown}, {@link whenEarly}, then {@link refusalToFire}: window over, market closed,
 *    pre-trade limit, not now by the market, lease about to end.
 * 4. Call, from the outside in: the broker does not take its order for now (`withWaits`); no turn in the account's rate before
 *    the deadline, or the day used up (`waitForTurn`), while
 *    the gate may end the wait; not due any more, for the database's clock was set back meanwhile; then the gate once more ({@link refusalOfGate}, `withGate`); the circuit (`admit` in
 *    CircuitBreaker.ts); a dry run; no valid token; the {@link deadlineMillis} right before sending. All but the missing token
 *    are BrokerNotSent, and {@link afterPlacement} says what the slice becomes.
 * 5. The broker's answer: {@link afterPlacement}, and {@link backoffAfter} for the slices behind it.
 * 6. Write (statement `SliceStore.transition`): a stale claim writes nothing. A slice that would become SCHEDULED becomes SKIPPED
 *    if its order was cancelled, and is on hold if its order is. A cancel thus wins over every way above that ends in SCHEDULED,
 *    and over none that ends in FAILED, SKIPPED, PROCESSED or an unknown outcome.
 *
 * An unknown outcome is none of these: the slice may have been placed, and only reconciliation.ts resolves it.
 */

/** Why a slice is not placed, as what it becomes. `isWaiting`: the market does not allow it for now, which may happen often. */
export interface Refusal {
  readonly next: NextStage
  readonly isWaiting?: true
}

export interface PlacementLimits {
  readonly brokerTimeout: Duration.Duration
  readonly preTrade: PreTradeLimits
  /** Null: placements at any time. */
  readonly calendar: TradingCalendar | null
  readonly margins: SessionMargins
  /** How long a slice waits if the market does not allow it now. */
  readonly marketPause: Duration.Duration
}

/** The stage of a claimed slice that was not fired for a reason outside of it: SCHEDULED again, at its own time. */
export const givenBack = ({ code, text }: Reason): NextStage => ({
  _tag: "Rescheduled",
  code,
  reason: text,
  notBefore: null
})

/** The kinds of closures in the order in which they are shown, the operator's first. Any of them closes the gate. */
export const closureKinds: ReadonlyArray<ClosureKind> = [
  "stopping",
  "halt",
  "history",
  "clock",
  "credentials",
  "limit",
  "day",
  "circuit"
]

/** Why the placement gate is closed; null if it is open. Of several reasons the first of {@link closureKinds}. */
export const closureOf = (reasons: ReadonlyMap<ClosureKind, string>): GateClosure | null => {
  if (reasons.size === 0) return null
  for (const kind of closureKinds) {
    const reason = reasons.get(kind)
    if (reason !== undefined) return { kind, reason }
  }
  return null
}

/** Why a request is not sent at the gate, as a code of BrokerNotSent and in words. */
export interface GateRefusal {
  readonly code: "gate_closed" | "order_stopped"
  readonly text: string
}

/** Why the gate does not let a slice through; null if it does. A closed gate is named before a withdrawn order. */
export const refusalOfGate = (closure: GateClosure | null, isWithdrawn: boolean): GateRefusal | null => {
  if (closure !== null) return whileClosed(closure.reason)
  return isWithdrawn ? whenWithdrawn : null
}

export const whileClosed = (reason: string): GateRefusal => ({
  code: "gate_closed",
  text: `placements are on hold: ${reason}`
})
export const whenWithdrawn: GateRefusal = { code: "order_stopped", text: "its order was cancelled or is on hold" }

/** When the next slice may be fired, in milliseconds since 1970. */
export const fireAtMillis = (
  { notBeforeMillis }: Pick<ClaimedSlice, "notBeforeMillis">,
  backoffUntilMillis: number,
  nowMillis: number
): number =>
  isPausedUntil(nowMillis, backoffUntilMillis, longestBackoffMillis)
    ? Math.max(notBeforeMillis, backoffUntilMillis)
    : notBeforeMillis

/** The limits of the broker and its circuit breaker ask for a minute at most. */
const longestBackoffMillis = 120_000

/** The later end of two back-offs, without one that is void or too long. */
export const laterBackoff = (beforeMillis: number, nextMillis: number, nowMillis: number): number =>
  Math.max(
    isPausedUntil(nowMillis, beforeMillis, longestBackoffMillis) ? beforeMillis : 0,
    Math.min(nextMillis, nowMillis + longestBackoffMillis)
  )

/** Nothing is fired while the clock cannot be compared with the database's. */
export const clockUnknown: Refusal = {
  next: givenBack(because("clock_unsure", "a clock jumped, or the database could not be asked for the time"))
}

/** The longest wait while firing; no stop, halt or cancel can end it. */
const maxEarlyMillis = 1000

/** How long a slice that is fired too early waits, in milliseconds, or the refusal if that is too long. */
export const whenEarly = ({ notBeforeMillis }: ClaimedSlice, nowMillis: number): number | Refusal => {
  const earlyMillis = notBeforeMillis - nowMillis
  return earlyMillis > maxEarlyMillis
    ? {
        next: givenBack(because("clock_unsure", "given back: the database's clock was set back, and it is not due yet"))
      }
    : earlyMillis
}

/** Why a claimed slice must not be placed at this moment; null if it may be. */
export const refusalToFire = (
  slice: ClaimedSlice,
  nowMillis: number,
  limits: PlacementLimits
): Refusal | "too early" | null => {
  if (nowMillis < slice.notBeforeMillis) return "too early"
  if (isWindowOver(slice.notAfterMillis, nowMillis)) {
    return { next: { _tag: "Skipped", code: "window_over", reason: windowOver } }
  }
  const hours = hoursOf(slice, nowMillis, limits)
  if (hours?._tag === "Closed") return { next: whenClosed(slice, hours, limits) }
  // Checked at the split, too, but limits may have been lowered since.
  const breaches = breachesOfSlice(exposureOf(slice, nowMillis, limits), limits.preTrade)
  if (breaches.length > 0) {
    return { next: { _tag: "Failed", code: "pre_trade_limit", reason: `pre-trade limit: ${breaches.join("; ")}` } }
  }
  const notNow = breachesNow(slice, nowMillis, limits.preTrade)
  if (notNow.length > 0) {
    // Prices may return and volume grows, so the slice waits until its window is over.
    const notBefore = DateTime.addDuration(DateTime.makeUnsafe(Math.ceil(nowMillis)), limits.marketPause)
    const reason = `pre-trade limit, for now: ${notNow.join("; ")}`
    return { next: { _tag: "Rescheduled", code: "market_limit", reason, notBefore }, isWaiting: true }
  }
  // The call must end before the lease: after that a monitor may already reconcile the slice.
  if (nowMillis + Duration.toMillis(limits.brokerTimeout) >= slice.leaseExpiresMillis) {
    return { next: givenBack(because("claim_too_short", "the claim was about to end before the call could")) }
  }
  return null
}

const exposureOf = (slice: ClaimedSlice, nowMillis: number, { preTrade }: PlacementLimits): Exposure => ({
  instrument: slice.instrument,
  side: slice.side,
  quantity: slice.quantity,
  price: priceOf(slice, nowMillis, preTrade)
})

/** The last moment at which a slice may be sent, in milliseconds since 1970: within its window, its lease and its session. */
export const deadlineMillis = (slice: ClaimedSlice, nowMillis: number, limits: PlacementLimits): number => {
  const hours = hoursOf(slice, nowMillis, limits)
  return Math.min(
    slice.notAfterMillis,
    slice.leaseExpiresMillis - Duration.toMillis(limits.brokerTimeout),
    hours?._tag === "Open" ? hours.session.closesMillis - 1 : Infinity
  )
}

/** The session of its venue at this moment; null without a calendar. */
const hoursOf = (slice: ClaimedSlice, nowMillis: number, { calendar }: PlacementLimits): SessionAt | null => {
  if (calendar === null) return null
  const market = venueIds.find((id) => id === slice.market) ?? venueOf(slice.instrument, null)
  return market === null
    ? { _tag: "Closed", next: null, reason: "no trading hours are known for it" }
    : sessionAt(calendar, market, nowMillis)
}

const whenClosed = (
  slice: ClaimedSlice,
  { next, reason }: Extract<SessionAt, { _tag: "Closed" }>,
  { margins }: PlacementLimits
): NextStage =>
  next !== null && !isWindowOver(slice.notAfterMillis, next.opensMillis)
    ? {
        _tag: "Rescheduled",
        code: "market_closed",
        reason: `the market is closed: ${reason}`,
        notBefore: DateTime.makeUnsafe(next.opensMillis + margins.openMillis)
      }
    : {
        _tag: "Skipped",
        code: "market_closed",
        reason: `the market is closed until after the order's window: ${reason}`
      }

export const windowOver = "too late: the order's window and its grace, or the lateness that it allows, were over"

/**
 * Whether a placement counts as an attempt, which it does if it may have had an effect or was refused. A placement that certainly
 * had no effect is repeated until the order's window is over.
 */
export const isAttempt = (answer: Exit.Exit<Acknowledgement, BrokerError>): boolean => {
  const error = brokerErrorOf(answer)
  return error === null || error._tag === "BrokerRefused" || error._tag === "BrokerOutcomeUnknown"
}

/** The stage that the answer of a placement gives its slice. */
export const afterPlacement = (answer: Exit.Exit<Acknowledgement, BrokerError>, now: DateTime.Utc): NextStage => {
  if (Exit.isSuccess(answer)) return { _tag: "Processed", brokerOrderId: answer.value.brokerOrderId, found: null }
  const error = brokerErrorOf(answer)
  if (error === null) {
    // An interruption, or a bug in the broker's code: the request may have been sent.
    return {
      _tag: "Unknown",
      code: "call_interrupted",
      reason: `the call did not end in order: ${Cause.pretty(answer.cause)}`
    }
  }
  switch (error._tag) {
    case "BrokerRefused":
      return { _tag: "Failed", code: "broker_refused", reason: `${error.code}: ${error.message}` }
    case "BrokerOutcomeUnknown":
      return { _tag: "Unknown", code: "outcome_unknown", reason: `${error.code}: ${error.message}` }
    case "BrokerCredentialsInvalid":
      return {
        _tag: "Rescheduled",
        code: "credentials_invalid",
        reason: error.message,
        notBefore: DateTime.addDuration(now, credentialsPause)
      }
    case "BrokerNotSent":
      return error.retryAt === null
        ? { _tag: "Skipped", code: notSentCodes[error.code], reason: error.message }
        : {
            _tag: "Rescheduled",
            code: notSentCodes[error.code],
            reason: error.message,
            notBefore: DateTime.max(error.retryAt, now)
          }
    case "BrokerTryLater":
      return {
        _tag: "Rescheduled",
        code: "broker_try_later",
        reason: `${error.code}: ${error.message}`,
        notBefore: DateTime.max(error.retryAt, now)
      }
  }
}

/** Why a request was not sent, as a reason of its slice. */
const notSentCodes = {
  deadline: "deadline_passed",
  gate_closed: "gate_closed",
  order_stopped: "order_stopped",
  circuit_open: "circuit_open",
  order_in_trouble: "circuit_open",
  order_waits: "broker_try_later",
  rate_limit: "rate_limit",
  daily_limit: "daily_request_limit",
  dry_run: "dry_run"
} as const satisfies Readonly<Record<BrokerNotSent["code"], ReasonCode>>

/** Whether the request may have been sent. Only then is there a call to audit. */
export const wasSent = (answer: Exit.Exit<unknown, BrokerError>): boolean =>
  brokerErrorOf(answer)?._tag !== "BrokerNotSent"

/**
 * Until when nothing else is fired after an answer, in milliseconds since 1970; 0 for no back-off. A broker that asks to wait, or
 * does not accept our token, would answer every other slice alike; what concerns one order is no reason for a back-off.
 */
export const backoffAfter = (answer: Exit.Exit<unknown, BrokerError>, next: NextStage): number =>
  Exit.isFailure(answer) && next._tag === "Rescheduled" && next.notBefore !== null && !concernsItsOrder(answer)
    ? DateTime.toEpochMillis(next.notBefore)
    : 0

const concernsItsOrder = (answer: Exit.Exit<unknown, BrokerError>): boolean => {
  const error = brokerErrorOf(answer)
  if (error?._tag === "BrokerTryLater") return error.code === notNowCode
  return error?._tag === "BrokerNotSent" && ofOneOrder.has(error.code)
}
const ofOneOrder: ReadonlySet<BrokerNotSent["code"]> = new Set(["order_in_trouble", "order_stopped", "order_waits"])

/** The broker's error, if it is the only reason of the failure; null for a success, an interruption or a defect. */
export const brokerErrorOf = (answer: Exit.Exit<unknown, BrokerError>): BrokerError | null => {
  if (Exit.isSuccess(answer) || answer.cause.reasons.length !== 1) return null
  const [reason] = answer.cause.reasons
  return reason !== undefined && Cause.isFailReason(reason) ? reason.error : null
}

/** The closed gate decides how long nothing is placed; this pause only protects a broker without one. */
const credentialsPause = Duration.seconds(1)
