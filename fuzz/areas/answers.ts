import { DateTime, Result } from "effect"
import type { SeededChoices } from "../../simulation/SeededChoices.ts"
import { lookupAnswer, orderAnswer } from "../../src/broker/zerodha/kiteAnswers.ts"
import type { BrokerError, BrokerLookupError } from "../../src/domain/model/BrokerError.ts"
import type { Acknowledgement } from "../../src/domain/model/BrokerOrder.ts"
import { damaged, withOddPart } from "../harness/json.ts"
import { pureArea } from "../harness/pureArea.ts"
import { hostileText, rawCharacterIn } from "../harness/texts.ts"
import { meaningOf } from "./answerMeaning.ts"

/** An answer of the broker to an order request, or to a look-up. */
export interface BrokerAnswer {
  readonly request: "order" | "lookup"
  readonly status: number
  readonly body: string
}

const statuses = [
  200, 200, 200, 200, 400, 400, 400, 403, 401, 428, 429, 500, 502, 503, 504, 201, 204, 206, 301, 302, 304, 404, 405,
  409, 410, 418, 499, 599, 100, 0, 999
] as const

const exceptions = [
  "InputException",
  "MarginException",
  "HoldingException",
  "OrderException",
  "PermissionException",
  "UserException",
  "TokenException",
  "NetworkException",
  "DataException",
  "GeneralException",
  "TwoFAException",
  "inputexception",
  "InputException ",
  ""
] as const

const words = [
  "Insufficient funds. Required margin is 95417.84 but available margin is 74251.80. Check the orderbook for open orders.",
  "Order request timed out. Please check the order book and confirm before placing again.",
  "The request timed out",
  "Maximum allowed order requests exceeded.",
  "Too many requests",
  "Incorrect `api_key` or `access_token`.",
  "No IPs configured for this app. Add allowed IPs.",
  "IP 10.0.0.1 is not allowed to place orders for this app",
  "The order quantity 1000 (40 lots) is higher than the maximum quantity of 900 (36 lots)",
  "Order cannot be cancelled as it is being processed. Try later.",
  "Something went wrong"
] as const

const ids = [
  "2611230000000001234",
  "151220000000000",
  "1",
  "'; DROP TABLE",
  "1e400",
  " 1",
  "1 ",
  "",
  "-1",
  "1.0",
  "１２３",
  "12\n",
  "1".repeat(32),
  "1".repeat(33),
  "1".repeat(1_000_000),
  "null"
] as const

/** The body of an answer as Kite would write it. */
export const plainBody = (choices: SeededChoices): unknown =>
  choices.hits(0.5)
    ? {
        status: choices.hits(0.9) ? "success" : "error",
        data: { order_id: choices.hits(0.5) ? `26112300000000${choices.whole(10_000, 99_999)}` : choices.oneOf(ids) }
      }
    : {
        status: choices.hits(0.9) ? "error" : "success",
        message: choices.hits(0.7) ? choices.oneOf(words) : hostileText(choices),
        error_type: choices.oneOf(exceptions),
        data: null
      }

/** A status and a body, right or wrong in any way. */
export const anyAnswer = (
  choices: SeededChoices,
  among: readonly [number, ...ReadonlyArray<number>] = statuses
): { readonly status: number; readonly body: string } => {
  const plain = plainBody(choices)
  const value = choices.hits(0.4) ? withOddPart(choices, plain) : plain
  const text = JSON.stringify(value) ?? ""
  return { status: choices.oneOf(among), body: choices.hits(0.25) ? damaged(choices, text) : text }
}

const now = DateTime.makeUnsafe("2026-11-24T04:00:00.250Z")
const masked = (text: string) => text

/**
 * The meaning of broker answers. What a placement must never do on an answer is written down in answerMeaning.ts from the
 * broker's documents, not from the code that it judges.
 */
export const answers = pureArea({
  name: "answers",
  weight: 10,
  generate: (choices): BrokerAnswer => ({ request: choices.hits(0.8) ? "order" : "lookup", ...anyAnswer(choices) }),
  read: ({ request, status, body }) =>
    request === "order"
      ? { order: orderAnswer({ status, body, masked }, now), lookup: null }
      : { order: null, lookup: lookupAnswer({ status, body, masked }, now) },
  verdict: (answer, { order, lookup }) =>
    (order === null ? null : (wrongWords(order) ?? wrongMeaning(answer, order))) ??
    (lookup === null ? null : (wrongWords(lookup) ?? wrongLookup(answer, lookup)))
})

/** Words that cannot be stored, shown or sent as they are. */
export const wrongWords = <A>(answer: Result.Result<A, BrokerError>): string | null => {
  if (Result.isSuccess(answer)) return null
  const { failure } = answer
  const odd = rawCharacterIn(failure.message)
  if (odd !== null) return `the message has a raw ${odd}`
  if (failure.message.length > maxMessage) return `the message has ${failure.message.length} characters`
  return "code" in failure && (rawCharacterIn(failure.code) !== null || failure.code.length > maxCode)
    ? "the code cannot be stored or shown"
    : null
}

const maxMessage = 2000
const maxCode = 200

/** What an order request counts as, where that is not what its answer means; a cancel has no id to compare. */
export const wrongMeaning = (
  { status, body }: Pick<BrokerAnswer, "status" | "body">,
  answer: Result.Result<unknown, BrokerError>
): string | null => {
  const { meaning, why, orderId } = meaningOf(status, body)
  const counts = Result.isSuccess(answer) ? "taken" : answer.failure._tag
  if (counts !== meaning) return `it counts as ${counts}, and means ${meaning}: ${why}`
  const taken = Result.isSuccess(answer) ? answer.success : null
  return isAcknowledgement(taken) && taken.brokerOrderId !== orderId
    ? "the order id is not the one in the answer"
    : null
}

const isAcknowledgement = (value: unknown): value is Acknowledgement =>
  typeof value === "object" && value !== null && "brokerOrderId" in value

const wrongLookup = (
  { status, body }: BrokerAnswer,
  answer: Result.Result<string, BrokerLookupError>
): string | null => {
  if (Result.isFailure(answer)) return status === 200 ? "an answer of 200 counts as a failed look-up" : null
  return status === 200 && answer.success === body ? null : "a failed look-up counts as read"
}
