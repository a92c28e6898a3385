import { Cause, DateTime, Exit } from "effect"
import type { BrokerError } from "../domain/model/BrokerError.ts"
import { brokerOutcome } from "../domain/model/brokerOutcome.ts"
import type { BrokerEvent } from "../stores/sql/insertEvents.ts"

export type CallAnswer<A> = Exit.Exit<A, BrokerError>

type Details = Readonly<Record<string, unknown>>

/** One call to the broker that has ended, with or without an answer. */
interface BrokerCall<A> extends Pick<BrokerEvent, "id" | "call" | "request" | "broker" | "worker"> {
  readonly askedAt: DateTime.Utc
  readonly durationMillis: number
  readonly answer: CallAnswer<A>
  /** The part of a successful answer that the audit keeps. */
  readonly onSuccess: (value: A) => Details
  /** The slice that it was for; left out for a call that served many. */
  readonly slice?: { readonly id: string; readonly orderId: string }
  /** The number of the placement. */
  readonly attempt?: number
  readonly keepsRequest?: boolean
  /** How long a placement could wait for its turn. */
  readonly deadline?: DateTime.Utc
  /** The broker order that it was about, or made. */
  readonly brokerOrderId?: string | null
}

/** A call as the audit keeps it: its row's `outcome` is one word for the answer, its `response` the details of it. */
export const auditRow = <A>(call: BrokerCall<A>): BrokerEvent => ({
  id: call.id,
  calledAt: call.askedAt,
  durationMillis: call.durationMillis,
  broker: call.broker,
  call: call.call,
  outcome: brokerOutcome(call.answer),
  orderId: call.slice?.orderId ?? null,
  sliceId: call.slice?.id ?? null,
  attempt: call.attempt ?? null,
  brokerOrderId: call.brokerOrderId ?? null,
  request: call.request,
  keepsRequest: call.keepsRequest ?? false,
  deadline: call.deadline ?? null,
  response: Exit.isSuccess(call.answer) ? call.onSuccess(call.answer.value) : detailsOf(call.answer.cause),
  worker: call.worker
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
