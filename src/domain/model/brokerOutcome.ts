import { Cause, Exit } from "effect"
import type { BrokerError } from "./BrokerError.ts"

/** A broker's answer in one word, as the audit, the logs and the metrics have it. */
export type BrokerOutcome = "ok" | "refused" | "try_later" | "credentials_invalid" | "not_sent" | "unknown"

const words = {
  BrokerRefused: "refused",
  BrokerTryLater: "try_later",
  BrokerCredentialsInvalid: "credentials_invalid",
  BrokerNotSent: "not_sent",
  BrokerOutcomeUnknown: "unknown"
} as const satisfies Readonly<Record<BrokerError["_tag"], BrokerOutcome>>

export const brokerOutcome = (answer: Exit.Exit<unknown, BrokerError>): BrokerOutcome => {
  if (Exit.isSuccess(answer)) return "ok"
  const reason = answer.cause.reasons.find(Cause.isFailReason)
  return reason === undefined ? "unknown" : words[reason.error._tag]
}
