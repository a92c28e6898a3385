import { DateTime, Duration, Option, Result, Schema } from "effect"
import {
  BrokerCredentialsInvalid,
  type BrokerError,
  type BrokerLookupError,
  BrokerOutcomeUnknown,
  BrokerRefused,
  BrokerTryLater,
  notConnected,
  notNowCode,
  dailyLimitCode,
  tooFastCode
} from "../../domain/model/BrokerError.ts"
import type { Acknowledgement } from "../../domain/model/BrokerOrder.ts"
import { excerpt } from "../../domain/text/excerpt.ts"
import type { KiteAnswer, KiteUnanswered } from "./KiteClient.ts"
import { cleanText, KiteOrderId } from "./kiteFields.ts"
import { jsonReader } from "./kiteJson.ts"

/** The body of a failure. `error_type` names Kite's exception, `message` is for people. */
const KiteFailure = Schema.Struct({
  status: Schema.Literal("error"),
  error_type: Schema.String,
  message: Schema.String
})
type KiteFailure = typeof KiteFailure.Type
const readFailure = jsonReader(KiteFailure)

/** Kite's words, safe and short enough to be stored, logged and sent: PostgreSQL refuses a text with U+0000. */
const wordsOf = (answer: KiteAnswer, { message }: KiteFailure): string => cleanText(startOf(answer, message), 500)
/** Kite's exception likewise; the HTTP status stands for one that cannot be read. */
const codeOf = (answer: KiteAnswer, failure: KiteFailure | null): string =>
  failure === null ? `http_${answer.status}` : cleanText(startOf(answer, failure.error_type), 100)

/** The masked start of a text, longer than what is shown of it, so that the cut is not seen. To mask a mebibyte takes too long. */
const startOf = ({ masked }: KiteAnswer, text: string): string => masked(text.slice(0, maxMasked))
const maxMasked = 2000

/** An answer with anything but one of Kite's ids does not say which order was taken. */
const readOrderTaken = jsonReader(
  Schema.Struct({ status: Schema.Literal("success"), data: Schema.Struct({ order_id: KiteOrderId }) })
)

/**
 * The meaning of an answer to an order request (a placement or a cancel). The HTTP status decides first, because Kite uses
 * the same error_type for "not placed" and "unknown". An answer that is not understood is unknown, never a success or a
 * refusal.
 */
export const orderAnswer = (answer: KiteAnswer, now: DateTime.Utc): Result.Result<Acknowledgement, BrokerError> => {
  const { status, body } = answer
  if (status === 200) {
    return Option.match(readOrderTaken(body), {
      onNone: () => unknown("no_order_id", `HTTP 200 without an order_id: ${excerptOf(answer)}`),
      onSome: ({ data }) => Result.succeed({ brokerOrderId: data.order_id })
    })
  }
  const failure = Option.getOrNull(readFailure(body))
  const code = codeOf(answer, failure)
  if (status >= 400 && status < 500 && failure !== null && isDailyCap.test(failure.message)) {
    const retryAt = DateTime.addDuration(now, pauseAtDailyCap)
    return Result.fail(new BrokerTryLater({ code: dailyLimitCode, message: wordsOf(answer, failure), retryAt }))
  }
  if (status === 429) return Result.fail(throttled(answer, now))
  if (status === 401) return Result.fail(notLoggedIn(answer, failure))
  if (failure === null || status < 400 || status >= 500) {
    return unknown(code, `HTTP ${status}: ${said(answer, failure)}`)
  }
  const message = wordsOf(answer, failure)
  if (saysUnknown.test(failure.message) || (asksToLook.test(failure.message) && !isAboutAccount.has(code))) {
    return unknown(code, message)
  }
  const credentials = credentialsProblem(answer, failure)
  if (credentials !== null) return Result.fail(credentials)
  if (code === "InputException" && saysAddress.test(message)) {
    return Result.fail(new BrokerCredentialsInvalid({ kind: "address", message }))
  }
  if (refusals.get(code)?.includes(status) !== true) return unknown(code, `HTTP ${status}: ${message}`)
  return isAboutTheOrder.has(code) && notNow.some((says) => says.test(failure.message))
    ? Result.fail(new BrokerTryLater({ code: notNowCode, message, retryAt: DateTime.addDuration(now, pauseForNow) }))
    : Result.fail(new BrokerRefused({ code, message }))
}

/**
 * The refusals that say "not at this time of the day", by Kite's words: nothing was placed, and the same request will be
 * taken later. Any other refusal is one for good.
 */
const notNow: ReadonlyArray<RegExp> = [
  // Outside of market hours, and under maintenance at night (users' logs of June and July 2026).
  /try placing (?:an|your) AMO order/i,
  // NSE and BSE on MARKET orders at the end of the pre-open and of the closing auction (summaries of circulars, 2026).
  /^market orders are currently not allowed\b/i,
  /^market order cannot be placed during this period\b/i,
  // A MARKET order before the first trade of the day (a user's note of June 2026).
  /rejected since there are no trades in this instrument/i
]
/** The exceptions about an order itself, at any of which such words are. */
const isAboutTheOrder: ReadonlySet<string> = new Set(["InputException", "OrderException"])
/** The first pause after such a refusal; withWaits lengthens it. */
const pauseForNow = Duration.seconds(5)

/** Kite's words for "may have been placed", which come with the status and exception of a refusal. */
const saysUnknown = /timed? ?out|could not be confirmed|status is not known|may have been placed/i
/**
 * What Kite asks for after a request of unknown outcome. A refusal for lack of margin may ask for it, too: "Check the orderbook
 * for open orders."
 */
const asksToLook = /before placing again/i
/**
 * The exceptions about the account's money, holdings and rights, which Kite checks before an order goes anywhere.
 */
const isAboutAccount: ReadonlySet<string> = new Set([
  "MarginException",
  "HoldingException",
  "PermissionException",
  "UserException"
])
/** The refusal of an address as an InputException, which is also the one of a parameter. */
const saysAddress = /\bno IPs configured\b|\bIPs?\b.* not (?:allowed|configured|whitelisted)\b/i
/** The exceptions about what the account or the app may do. */
const isAboutRights: ReadonlySet<string> = new Set(["PermissionException", "UserException"])
const isDailyCap = /maximum allowed order requests/i

/**
 * When a request is tried again after the day's cap. It does not wait for the next day: right after midnight the clocks may not
 * agree on which day is used up.
 */
const pauseAtDailyCap = Duration.minutes(5)

/** The exceptions by which Kite refuses an order for good, each with the HTTP statuses of such a refusal. */
const refusals: ReadonlyMap<string, ReadonlyArray<number>> = new Map([
  ["InputException", [400]],
  ["MarginException", [400, 428]],
  ["HoldingException", [400, 428]],
  ["OrderException", [400, 428]],
  ["PermissionException", [403]],
  ["UserException", [403]]
])

/** HTTP 401 with any body: the request was not looked at without a valid token. */
const notLoggedIn = (answer: KiteAnswer, failure: KiteFailure | null): BrokerCredentialsInvalid =>
  new BrokerCredentialsInvalid({ kind: "token", message: `HTTP 401: ${said(answer, failure)}` })

const credentialsProblem = (answer: KiteAnswer, failure: KiteFailure): BrokerCredentialsInvalid | null => {
  if (answer.status !== 403) return null
  const code = codeOf(answer, failure)
  const message = wordsOf(answer, failure)
  if (code === "TokenException") return new BrokerCredentialsInvalid({ kind: "token", message })
  return isAboutRights.has(code) && /\bIPs?\b/i.test(message)
    ? new BrokerCredentialsInvalid({ kind: "address", message })
    : null
}

/**
 * The meaning of a refused cancel. A missing right, which for a placement may concern its segment or product alone, is mostly one
 * of the account or the app here, because the order was placed with it; either way only a person can cancel it.
 */
export const refusedCancel = (error: BrokerError): BrokerError =>
  error._tag === "BrokerRefused" && isAboutRights.has(error.code)
    ? new BrokerCredentialsInvalid({ kind: "permission", message: error.message })
    : error

/** The meaning of an order request without an answer: unknown, unless it certainly was not sent. */
export const orderUnanswered = ({ message, wasSent }: KiteUnanswered, now: DateTime.Utc): BrokerError =>
  wasSent
    ? new BrokerOutcomeUnknown({ code: "no_answer", message })
    : new BrokerTryLater({ code: notConnected, message, retryAt: DateTime.add(now, { seconds: 1 }) })

/** The body of a successful look-up; any other answer is an error after which the look-up may be repeated. */
export const lookupAnswer = (answer: KiteAnswer, now: DateTime.Utc): Result.Result<string, BrokerLookupError> => {
  if (answer.status === 200) return Result.succeed(answer.body)
  if (answer.status === 429) return Result.fail(throttled(answer, now))
  const failure = Option.getOrNull(readFailure(answer.body))
  if (answer.status === 401) return Result.fail(notLoggedIn(answer, failure))
  const credentials = failure && credentialsProblem(answer, failure)
  return Result.fail(
    credentials ?? lookupFailed(codeOf(answer, failure), `HTTP ${answer.status}: ${said(answer, failure)}`, now)
  )
}

export const lookupFailed = (code: string, message: string, now: DateTime.Utc): BrokerTryLater =>
  new BrokerTryLater({ code, message, retryAt: DateTime.add(now, { seconds: 1 }) })

/** "Too fast", until the next calendar second, by which Kite counts. */
const throttled = (answer: KiteAnswer, now: DateTime.Utc): BrokerTryLater =>
  new BrokerTryLater({
    code: tooFastCode,
    message: Option.match(readFailure(answer.body), {
      onNone: () => "Too many requests",
      onSome: (failure) => wordsOf(answer, failure)
    }),
    retryAt: DateTime.makeUnsafe((Math.floor(DateTime.toEpochMillis(now) / 1000) + 1) * 1000)
  })

const unknown = (code: string, message: string): Result.Result<never, BrokerOutcomeUnknown> =>
  Result.fail(new BrokerOutcomeUnknown({ code, message }))

const said = (answer: KiteAnswer, failure: KiteFailure | null): string =>
  failure === null ? excerptOf(answer) : wordsOf(answer, failure)

/** The start of a body, short enough for a log line. */
const excerptOf = (answer: KiteAnswer): string => excerpt(startOf(answer, answer.body), "an empty body")
