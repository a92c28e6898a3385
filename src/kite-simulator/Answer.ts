import type { FaultKind } from "./Faults.ts"
import type { RequestOutcome } from "./Ledger.ts"
import { failure, type KiteError, type Reply } from "./reply.ts"

export interface SimulatorRequest {
  readonly method: string
  /** The path without base path and query. */
  readonly path: string
  readonly parts: ReadonlyArray<string>
  readonly query: URLSearchParams
  /** The body, parsed as a form. */
  readonly form: URLSearchParams
  readonly body: string
  readonly headers: { readonly [name: string]: string | undefined }
}

/** The reply to a request, and what the ledger records about it. */
export interface Answer {
  readonly reply: Reply
  readonly outcome: RequestOutcome
  readonly fault: FaultKind | null
  readonly tag: string | null
  readonly orderId: string | null
  readonly counted: boolean
}

const plain = { fault: null, tag: null, orderId: null, counted: false }

export const answered = (reply: Reply): Answer => ({ ...plain, reply, outcome: "answered" })

export const refused = (error: KiteError): Answer => ({ ...plain, reply: failure(error), outcome: "refused" })
