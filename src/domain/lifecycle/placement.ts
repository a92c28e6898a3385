import { Cause, DateTime, Duration, Exit } from "effect"
import { breachesNow, priceOf } from "../limits/marketLimits.ts"
import { breachesOfSlice, type Exposure, type PreTradeLimits } from "../limits/preTradeLimits.ts"
import { marketIds, marketOf } from "../market/Market.ts"
import { type SessionAt, sessionAt, type TradingCalendar } from "../market/TradingCalendar.ts"
import type { BrokerError, BrokerNotSent } from "../model/BrokerError.ts"
import type { Acknowledgement } from "../model/BrokerOrder.ts"
import type { ClaimedSlice, NextStage } from "../model/OrderSlice.ts"
import type { ReasonCode } from "../model/reason.ts"

export interface PlacementLimits {
  readonly brokerTimeout: Duration.Duration
  readonly preTrade: PreTradeLimits
  /** Null: placements at any time. */
  readonly calendar: TradingCalendar | null
  /** How long a slice waits that the market does not allow at the moment. */
  readonly marketPause: Duration.Duration
}

/** Why a slice is not placed. `isWaiting`: the market does not allow it for now, which may well be said again and again. */
export interface Refusal {
  readonly next: NextStage
  readonly isWaiting?: true
}

/** Why a claimed slice must not be placed at this moment, or null when it may be. */
export const refusalToFire = (
  slice: ClaimedSlice,
  nowMillis: number,
  limits: PlacementLimits
): Refusal | "too early" | null => {
  if (nowMillis < slice.notBeforeMillis) return "too early"
  if (nowMillis > slice.notAfterMillis) return { next: { _tag: "Skipped", code: "window_over", reason: windowOver } }
  const hours = hoursOf(slice, nowMillis, limits)
  if (hours?._tag === "Closed") return { next: whenClosed(slice, hours) }
  // Asked again here, because limits may have been lowered since the split.
  const breaches = breachesOfSlice(exposureOf(slice, nowMillis, limits), limits.preTrade)
  if (breaches.length > 0)
    return { next: { _tag: "Failed", code: "pre_trade_limit", reason: `pre-trade limit: ${breaches.join("; ")}` } }
  const notNow = breachesNow(slice, nowMillis, limits.preTrade)
  if (notNow.length > 0) {
    // Prices come back and volume grows: the slice waits for that until its window is over.
    const notBefore = DateTime.addDuration(DateTime.makeUnsafe(Math.ceil(nowMillis)), limits.marketPause)
    const reason = `pre-trade limit, for now: ${notNow.join("; ")}`
    return { next: { _tag: "Rescheduled", code: "market_limit", reason, notBefore }, isWaiting: true }
  }
  // The call must end before the lease does: after that, somebody else may already be asking whether it was made.
  if (nowMillis + Duration.toMillis(limits.brokerTimeout) >= slice.leaseExpiresMillis) {
    return {
      next: {
        _tag: "Rescheduled",
        code: "claim_too_short",
        reason: "the claim was about to end before the call could",
        notBefore: null
      }
    }
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
  next !== null && next.opensMillis <= slice.notAfterMillis
    ? {
        _tag: "Rescheduled",
        code: "market_closed",
        reason: `the market is closed: ${reason}`,
        notBefore: DateTime.makeUnsafe(next.opensMillis)
      }
    : {
        _tag: "Skipped",
        code: "market_closed",
        reason: `the market is closed until after the order's window: ${reason}`
      }

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

/** Why a request did not leave us, as a reason of its slice. */
const notSentCodes = {
  deadline: "deadline_passed",
  on_hold: "placements_on_hold",
  rate_limit: "rate_limit",
  daily_limit: "daily_request_limit",
  dry_run: "dry_run"
} as const satisfies Readonly<Record<BrokerNotSent["code"], ReasonCode>>

/** What the broker said, when that is all there was: null for success, and for a call that did not end in order. */
export const brokerErrorOf = (answer: Exit.Exit<unknown, BrokerError>): BrokerError | null => {
  if (Exit.isSuccess(answer) || answer.cause.reasons.length !== 1) return null
  const [reason] = answer.cause.reasons
  return reason !== undefined && Cause.isFailReason(reason) ? reason.error : null
}

/** The hold that follows decides how long nothing is placed; this only keeps a broker without one from being hammered. */
const credentialsPause = Duration.seconds(1)
