import { Cause, DateTime, Exit } from "effect"
import type { BrokerError } from "../broker/Broker.ts"

export type CallAnswer<A> = Exit.Exit<A, BrokerError>

/** A broker's answer as the audit and the logs show it: one word, and the details. */
export const answerOf = <A>(
  answer: CallAnswer<A>,
  onSuccess: (value: A) => Readonly<Record<string, unknown>>
): { readonly outcome: string; readonly response: Readonly<Record<string, unknown>> } => {
  if (Exit.isSuccess(answer)) return { outcome: "ok", response: onSuccess(answer.value) }
  const reason = answer.cause.reasons.find(Cause.isFailReason)
  if (reason === undefined) return { outcome: "unknown", response: { message: Cause.pretty(answer.cause) } }
  const error = reason.error
  switch (error._tag) {
    case "BrokerRefused":
      return { outcome: "refused", response: { code: error.code, message: error.message } }
    case "BrokerTryLater":
      return {
        outcome: "try_later",
        response: { code: error.code, message: error.message, retry_at: DateTime.formatIso(error.retryAt) }
      }
    case "BrokerCredentialsInvalid":
      return { outcome: "credentials_invalid", response: { kind: error.kind, message: error.message } }
    case "BrokerNotSent":
      return { outcome: "not_sent", response: { code: error.code, message: error.message } }
    case "BrokerOutcomeUnknown":
      return { outcome: "unknown", response: { code: error.code, message: error.message } }
  }
}
