import { Cause, DateTime, Duration, Exit } from "effect"
import type { BrokerError } from "../model/BrokerError.ts"
import type { BrokerOrderId } from "../model/Ids.ts"
import { because, type Reason, type ReasonCode } from "../model/reason.ts"
import { brokerErrorOf } from "./placement.ts"

/**
 * When is a cancel sent again, and what does its answer mean? A cancel that was accepted without effect, or not accepted, is
 * repeated after a pause that grows with the tries, for each broker order by itself. An answer that every cancel would get (the
 * token, the address, the share of the day, or the rights, if two broker orders in a row were refused for them) stops all cancels
 * of the process for such pauses, each ended by one cancel alone. An answer that another cancel may not get ends the stop.
 */

/** The pauses after the first, second, … cancel of a broker order whose answers are alike; the last one holds for all further. */
export const cancelPauses: ReadonlyArray<Duration.Duration> = [
  Duration.seconds(15),
  Duration.seconds(30),
  Duration.minutes(1),
  Duration.minutes(2),
  Duration.minutes(5),
  Duration.minutes(10)
]
const firstPause = Duration.seconds(15)

/** The pause after so many tries. One whose answer was never written, because its daemon died, counts as none. */
export const cancelPause = (tries: number): Duration.Duration =>
  cancelPauses[Math.min(Math.max(tries, 1), cancelPauses.length) - 1] ?? firstPause

/**
 * What a refused cancel says of others. `order`: the broker refuses this one, and may accept others. `account`: it would refuse
 * every other alike. `rights`: it does not permit this one, and perhaps no other. `unclear`: nothing.
 */
export type RefusalScope = "order" | "account" | "rights" | "unclear"

/** What the answer of a cancel means. `NotSent`: no request left, and nothing is known that was not known before. */
export type CancelOutcome =
  | { readonly _tag: "Accepted" }
  | { readonly _tag: "NotSent" }
  | { readonly _tag: "Refused"; readonly reason: Reason; readonly scope: RefusalScope }

/** `isRepeated`: a cancel was sent for this order before; the share of such cancels in the day's requests is a smaller one. */
export const afterCancel = (answer: Exit.Exit<void, BrokerError>, isRepeated: boolean): CancelOutcome => {
  if (Exit.isSuccess(answer)) return { _tag: "Accepted" }
  const error = brokerErrorOf(answer)
  if (error === null) {
    return refused("unclear", "call_interrupted", `the call did not end in order: ${Cause.pretty(answer.cause)}`)
  }
  switch (error._tag) {
    case "BrokerRefused":
      return refused("order", "cancel_refused", `${error.code}: ${error.message}`)
    case "BrokerOutcomeUnknown":
      return refused("unclear", "outcome_unknown", `no clear answer, ${error.code}: ${error.message}`)
    case "BrokerTryLater":
      return refused("unclear", "broker_try_later", `${error.code}: ${error.message}`)
    case "BrokerCredentialsInvalid":
      return refused(
        error.kind === "permission" ? "rights" : "account",
        "credentials_invalid",
        `${troubles[error.kind]}: ${error.message}`
      )
    case "BrokerNotSent":
      return error.code === "daily_limit"
        ? refused(isRepeated ? "unclear" : "account", "daily_request_limit", error.message)
        : { _tag: "NotSent" }
  }
}

/** Whether a cancel surely had no effect, and is sent again as soon as any is: it counts as never sent. */
export const hadNoEffect = (outcome: CancelOutcome): boolean =>
  outcome._tag === "NotSent" || (outcome._tag === "Refused" && outcome.scope === "account")

const troubles = {
  token: "the access token is not valid",
  address: "the broker takes no orders from this address",
  permission: "the broker does not permit it"
}

const refused = (scope: RefusalScope, code: ReasonCode, text: string): CancelOutcome => ({
  _tag: "Refused",
  reason: because(code, text),
  scope
})

/** Why no cancels are sent by this process, and until when; then one alone finds out whether they are possible again. */
export interface CancelStop {
  readonly reason: Reason
  readonly tries: number
  readonly until: DateTime.Utc
}

/** The stop after an answer that concerns all cancels, at `now`. Answers of one pause count as one. */
export const stopAfter = (before: CancelStop | null, reason: Reason, now: DateTime.Utc): CancelStop => {
  if (before !== null && DateTime.isLessThan(now, before.until)) return { ...before, reason }
  const tries = (before?.tries ?? 0) + 1
  return { reason, tries, until: DateTime.addDuration(now, cancelPause(tries)) }
}

/** What the answers so far mean for all cancels of this process. */
export interface CancelProspect {
  /** Null: cancels are sent. */
  readonly stop: CancelStop | null
  /** The broker orders, two at most, that were refused for missing rights since another answer showed anything else. */
  readonly withoutRights: ReadonlyArray<BrokerOrderId>
}

export const unhindered: CancelProspect = { stop: null, withoutRights: [] }

/** So many different broker orders in a row that we may not cancel mean that we may cancel none. */
const ordersWithoutRights = 2

/** What the outcome of the cancel of a broker order means for all others, at `now`. */
export const prospectAfter = (
  before: CancelProspect,
  brokerOrderId: BrokerOrderId,
  outcome: CancelOutcome,
  now: DateTime.Utc
): CancelProspect => {
  if (outcome._tag === "NotSent") return before
  if (outcome._tag === "Accepted") return unhindered
  const stop = () => stopAfter(before.stop, outcome.reason, now)
  switch (outcome.scope) {
    case "unclear":
      return before
    case "order":
      return unhindered
    case "account":
      return { stop: stop(), withoutRights: [] }
    case "rights": {
      const withoutRights = [...new Set([...before.withoutRights, brokerOrderId])].slice(0, ordersWithoutRights)
      return { stop: withoutRights.length < ordersWithoutRights ? null : stop(), withoutRights }
    }
  }
}

/** What is stored of the cancels of an open broker order. `refusal` is null if the last one was accepted, or none was sent. */
export interface StoredCancel {
  readonly cancelTries: number
  readonly cancelRefusal: string | null
  readonly cancelSentAt: DateTime.Utc | null
}

/** Reasons after which only a person can help, from the first refusal on. */
export const codesForPeople: ReadonlyArray<ReasonCode> = ["credentials_invalid", "daily_request_limit"]
/** So many refusals in a row are one for a person whatever the reason: two minutes, if nothing else delays them. */
export const triesForPeople = 3

/** Why an open broker order is not cancelled, and when the next cancel is sent: null if none was refused. */
export const cancelText = ({ cancelTries, cancelRefusal, cancelSentAt }: StoredCancel): string | null => {
  if (cancelRefusal === null) return null
  const words = cancelRefusal.replace(/\.$/, "")
  if (cancelTries === 0 || cancelSentAt === null) return `cancel not sent: ${words}`
  const next = DateTime.addDuration(cancelSentAt, cancelPause(cancelTries))
  const times = cancelTries === 1 ? "once" : cancelTries === 2 ? "twice" : `${cancelTries} times`
  return `cancel refused ${times}: ${words}; next try at ${DateTime.formatIso(next)}`
}
