import { Cause, DateTime, Duration, Exit } from "effect"
import { breachesNow, priceOf } from "../limits/marketLimits.ts"
import { breachesOfSlice, type Exposure, type PreTradeLimits } from "../limits/preTradeLimits.ts"
import { marketIds, marketOf } from "../market/Market.ts"
import { type SessionAt, sessionAt, type TradingCalendar } from "../market/TradingCalendar.ts"
import type { BrokerError } from "../model/BrokerError.ts"
import type { Acknowledgement } from "../model/BrokerOrder.ts"
import type { ClosureKind, GateClosure } from "../model/GateClosure.ts"
import type { ClaimedSlice, NextStage } from "../model/OrderSlice.ts"
import { isWindowOver } from "../model/sliceState.ts"

/**
 * May this slice go now, and if not, why? Every way of not placing, in the order in which a slice meets them: the first
 * that applies decides. "Pure" are those whose decision is in this file or in a function that it names; the others are
 * one condition of a statement.
 *
 * 1. At the claim, `SliceStore.claimDue`. The slice stays SCHEDULED and no daemon owns it: an operator's halt (the last row
 *    of placement_halts), its order on hold, its window over, late with RESPREAD, planned with trading hours that this
 *    daemon does not keep, not due soon. While the placement gate is closed `pollDue` does not claim at all.
 * 2. In the queue, `pollDue`. The slice is given back ({@link givenBack}): the gate is closed ({@link closureOf}), its order
 *    was cancelled or put on hold, the executor stops. `fireDue` waits: until the due time, or the back-off that the broker
 *    asked for, is over ({@link waitMillis}).
 * 3. At the moment of firing, `refusalNow`: {@link clockUnknown}, {@link whenEarly}, {@link refusalToFire}.
 * 4. Within the call, from the outside in; each fails with BrokerNotSent, which {@link afterPlacement} translates: the
 *    account's rate (`withRateLimit`: blocked, capped, no turn before the deadline), the gate again and the order withdrawn
 *    ({@link refusalOfGate}, asked while waiting for a turn and right before sending), the circuit (`admit` in
 *    CircuitBreaker.ts), a dry run, the broker's own check of credentials and of {@link deadlineMillis}.
 * 5. The broker's refusal: {@link afterPlacement}, and for the slices after it {@link backoffAfter}.
 * 6. At the write, `SliceStore.transition`: what would become SCHEDULED becomes SKIPPED if its order was cancelled, and is on
 *    hold if its order is. A stale claim writes nothing. So a cancel wins over every way above.
 *
 * In doubt (`Unknown`) is none of these: nobody knows whether it was placed, and only reconciliation.ts resolves it.
 *
 * `next` is what the slice becomes. `isWaiting`: the market does not allow it for now, which may well be said again and again.
 */
export interface Refusal {
  readonly next: NextStage
  readonly isWaiting?: true
}

export interface PlacementLimits {
  readonly brokerTimeout: Duration.Duration
  readonly preTrade: PreTradeLimits
  /** Null: placements at any time. */
  readonly calendar: TradingCalendar | null
  /** How long a slice waits that the market does not allow at the moment. */
  readonly marketPause: Duration.Duration
}

/** What a claimed slice becomes that was not fired, for no reason of its own: SCHEDULED again, at its time. */
export const givenBack = (reason: string): NextStage => ({ _tag: "Rescheduled", reason, notBefore: null })

/** The order in which closures of the gate are shown, an operator's word first. Any of them closes it. */
export const closureKinds: ReadonlyArray<ClosureKind> = ["stopping", "halt", "credentials", "limit", "day", "circuit"]

/** Why the placement gate is closed; null when it is open. Of several reasons the first of {@link closureKinds}. */
export const closureOf = (reasons: ReadonlyMap<ClosureKind, string>): GateClosure | null => {
  for (const kind of closureKinds) {
    const reason = reasons.get(kind)
    if (reason !== undefined) return { kind, reason }
  }
  return null
}

/** Why the gate does not let a slice through; null when it does. A closed gate goes before an order that was withdrawn. */
export const refusalOfGate = (closure: GateClosure | null, isWithdrawn: boolean): string | null => {
  if (closure !== null) return whileClosed(closure.reason)
  return isWithdrawn ? whenWithdrawn : null
}

export const whileClosed = (reason: string): string => `placements are on hold: ${reason}`
export const whenWithdrawn = "its order was cancelled or is on hold"

/** How long the slice that is due next waits yet, in milliseconds; not above 0 when it may be fired. */
export const waitMillis = (
  { notBeforeMillis }: Pick<ClaimedSlice, "notBeforeMillis">,
  backoffUntilMillis: number,
  nowMillis: number
): number => Math.max(notBeforeMillis, backoffUntilMillis) - nowMillis

/** Without a clock that is held against the database's nothing is fired. */
export const clockUnknown: Refusal = {
  next: givenBack("this host's clock jumped and the database could not be asked for the time")
}

/** No stop, halt or cancel ends the wait of a slice that is being fired. */
const maxEarlyMillis = 1000

/** How long a slice that is too early waits while it is being fired, in milliseconds, or why it does not. */
export const whenEarly = ({ notBeforeMillis }: ClaimedSlice, nowMillis: number): number | Refusal => {
  const earlyMillis = notBeforeMillis - nowMillis
  return earlyMillis > maxEarlyMillis
    ? { next: givenBack("given back: the database's clock was set back, and it is not due yet") }
    : earlyMillis
}

/** Why a claimed slice must not be placed at this moment, or null when it may be. */
export const refusalToFire = (
  slice: ClaimedSlice,
  nowMillis: number,
  limits: PlacementLimits
): Refusal | "too early" | null => {
  if (nowMillis < slice.notBeforeMillis) return "too early"
  if (isWindowOver(slice.notAfterMillis, nowMillis)) return { next: { _tag: "Skipped", reason: windowOver } }
  const hours = hoursOf(slice, nowMillis, limits)
  if (hours?._tag === "Closed") return { next: whenClosed(slice, hours) }
  // Asked again here, because limits may have been lowered since the split.
  const breaches = breachesOfSlice(exposureOf(slice, nowMillis, limits), limits.preTrade)
  if (breaches.length > 0) return { next: { _tag: "Failed", reason: `pre-trade limit: ${breaches.join("; ")}` } }
  const notNow = breachesNow(slice, nowMillis, limits.preTrade)
  if (notNow.length > 0) {
    // Prices come back and volume grows: the slice waits for that until its window is over.
    const notBefore = DateTime.addDuration(DateTime.makeUnsafe(Math.ceil(nowMillis)), limits.marketPause)
    const reason = `pre-trade limit, for now: ${notNow.join("; ")}`
    return { next: { _tag: "Rescheduled", reason, notBefore }, isWaiting: true }
  }
  // The call must end before the lease does: after that, somebody else may already be asking whether it was made.
  if (nowMillis + Duration.toMillis(limits.brokerTimeout) >= slice.leaseExpiresMillis) {
    return { next: givenBack("the claim was about to end before the call could") }
  }
  return null
}

const exposureOf = (slice: ClaimedSlice, nowMillis: number, { preTrade }: PlacementLimits): Exposure => ({
  instrument: slice.instrument,
  side: slice.side,
  quantity: slice.quantity,
  price: priceOf(slice, nowMillis, preTrade)
})

/** The last moment at which a slice may leave us: within its window, its claim, and its market's session. */
export const deadlineMillis = (slice: ClaimedSlice, nowMillis: number, limits: PlacementLimits): number => {
  const hours = hoursOf(slice, nowMillis, limits)
  return Math.min(
    slice.notAfterMillis,
    slice.leaseExpiresMillis - Duration.toMillis(limits.brokerTimeout),
    hours?._tag === "Open" ? hours.session.closesMillis - 1 : Infinity
  )
}

/** Whether its market is open; null without a calendar. */
const hoursOf = (slice: ClaimedSlice, nowMillis: number, { calendar }: PlacementLimits): SessionAt | null => {
  if (calendar === null) return null
  const market = marketIds.find((id) => id === slice.market) ?? marketOf(slice.instrument, null)
  return market === null
    ? { _tag: "Closed", next: null, reason: "no trading hours are known for it" }
    : sessionAt(calendar, market, nowMillis)
}

const whenClosed = (slice: ClaimedSlice, { next, reason }: Extract<SessionAt, { _tag: "Closed" }>): NextStage =>
  next !== null && !isWindowOver(slice.notAfterMillis, next.opensMillis)
    ? {
        _tag: "Rescheduled",
        reason: `the market is closed: ${reason}`,
        notBefore: DateTime.makeUnsafe(next.opensMillis)
      }
    : { _tag: "Skipped", reason: `the market is closed until after the order's window: ${reason}` }

export const windowOver = "too late: the order's window and its grace, or the lateness that it allows, were over"

/**
 * Whether a placement counts as an attempt: its order may be with the broker. One that certainly had no effect was not the
 * slice's fault, and is made again until the order's window is over.
 */
export const isAttempt = (answer: Exit.Exit<Acknowledgement, BrokerError>): boolean => {
  const error = brokerErrorOf(answer)
  return error === null || error._tag === "BrokerRefused" || error._tag === "BrokerOutcomeUnknown"
}

/** What a placement's answer means for its slice. */
export const afterPlacement = (answer: Exit.Exit<Acknowledgement, BrokerError>, now: DateTime.Utc): NextStage => {
  if (Exit.isSuccess(answer)) return { _tag: "Processed", brokerOrderId: answer.value.brokerOrderId, found: null }
  const error = brokerErrorOf(answer)
  if (error === null) {
    // Interrupted, or a bug in the broker's code: the request may have left all the same.
    return { _tag: "Unknown", reason: `the call did not end in order: ${Cause.pretty(answer.cause)}` }
  }
  switch (error._tag) {
    case "BrokerRefused":
      return { _tag: "Failed", reason: `${error.code}: ${error.message}` }
    case "BrokerOutcomeUnknown":
      return { _tag: "Unknown", reason: `${error.code}: ${error.message}` }
    case "BrokerCredentialsInvalid":
      return { _tag: "Rescheduled", reason: error.message, notBefore: DateTime.addDuration(now, credentialsPause) }
    case "BrokerNotSent":
      return error.retryAt === null
        ? { _tag: "Skipped", reason: error.message }
        : { _tag: "Rescheduled", reason: error.message, notBefore: DateTime.max(error.retryAt, now) }
    case "BrokerTryLater":
      return {
        _tag: "Rescheduled",
        reason: `${error.code}: ${error.message}`,
        notBefore: DateTime.max(error.retryAt, now)
      }
  }
}

/** Whether the request may have left us: only then is there a call to audit. */
export const wasSent = (answer: Exit.Exit<unknown, BrokerError>): boolean =>
  brokerErrorOf(answer)?._tag !== "BrokerNotSent"

/**
 * Until when (milliseconds since 1970) nothing else is fired after an answer; 0 for no back-off. A broker that says "later",
 * or no longer knows us, would say the same to every other slice.
 */
export const backoffAfter = (answer: Exit.Exit<unknown, BrokerError>, next: NextStage): number =>
  Exit.isFailure(answer) && next._tag === "Rescheduled" && next.notBefore !== null
    ? DateTime.toEpochMillis(next.notBefore)
    : 0

/** What the broker said, when that is all there was: null for success, and for a call that did not end in order. */
export const brokerErrorOf = (answer: Exit.Exit<unknown, BrokerError>): BrokerError | null => {
  if (Exit.isSuccess(answer) || answer.cause.reasons.length !== 1) return null
  const [reason] = answer.cause.reasons
  return reason !== undefined && Cause.isFailReason(reason) ? reason.error : null
}

/** The hold that follows decides how long nothing is placed; this only keeps a broker without one from being hammered. */
const credentialsPause = Duration.seconds(1)
