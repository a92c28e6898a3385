import { Cause, DateTime, Exit } from "effect"
import type { BrokerError } from "../domain/model/BrokerError.ts"
import { brokerOutcome } from "../domain/model/brokerOutcome.ts"

export type CallAnswer<A> = Exit.Exit<A, BrokerError>

type Details = Readonly<Record<string, unknown>>

/** A broker's answer as the audit and the logs show it: one word and the details. */
export const answerOf = <A>(
  answer: CallAnswer<A>,
  onSuccess: (value: A) => Details
): { readonly outcome: string; readonly response: Details } => ({
  outcome: brokerOutcome(answer),
  response: Exit.isSuccess(answer) ? onSuccess(answer.value) : detailsOf(answer.cause)
})

const detailsOf = (cause: Cause.Cause<BrokerError>): Details => {
  const reason = cause.reasons.find(Cause.isFailReason)
  if (reason === undefined) return { message: Cause.pretty(cause) }
  const { error } = reason
  switch (error._tag) {
    case "BrokerTryLater":
      return { code: error.code, message: error.message, retry_at: DateTime.formatIso(error.retryAt) }
    case "BrokerCredentialsInvalid":
      return { kind: error.kind, message: error.message }
    case "BrokerRefused":
    case "BrokerNotSent":
    case "BrokerOutcomeUnknown":
      return { code: error.code, message: error.message }
  }
}
