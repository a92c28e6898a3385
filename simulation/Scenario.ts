import type { Amendment } from "../src/domain/planning/replan/amend.ts"
import type { FaultRates } from "./faultRates.ts"
import type { SubmittedOrder } from "./store/Database.ts"

/**
 * A process is killed, stopped with its clocks running on (SIGSTOP) or standing still (a suspended host), or somebody sets its
 * host's clock.
 */
export type IncidentKind = "kill" | "freeze" | "suspend" | "set the clock"

/** Something that happens to the process that comes to a crash point for the n-th time. */
export interface Incident {
  readonly point: string
  readonly kind: IncidentKind
  readonly pauseMillis: number
  /** For a worker that waits: how long after it began to. */
  readonly afterMillis: number
  countdown: number
}

/** A time in which one process, or none, can reach the database. */
export interface DatabaseOutage {
  readonly process: string | null
  readonly isAt: (seconds: number) => boolean
}

/** What an operator, or the platform, does: at a time, or soon after the n-th placement has begun. */
export type Action = {
  readonly when: { readonly seconds: number } | { readonly placement: number; readonly afterMillis: number }
} & (
  | { readonly _tag: "Cancel"; readonly orderId: string }
  | { readonly _tag: "Amend"; readonly orderId: string; readonly amendment: Amendment }
  | { readonly _tag: "Pause"; readonly orderId: string; readonly forSeconds: number }
  | { readonly _tag: "Halt"; readonly forSeconds: number }
  | { readonly _tag: "Stop"; readonly process: string }
  | { readonly _tag: "Happen"; readonly process: string; readonly kind: IncidentKind; readonly pauseMillis: number }
)

export interface Scenario {
  readonly processes: ReadonlyArray<string>
  readonly environment: Readonly<Record<string, string>>
  readonly quarantineSeconds: number
  readonly brokerTimeoutSeconds: number
  /** By then an order that arrives at all is in the book, counted from when its request left. */
  readonly latestArrivalSeconds: number
  readonly maxOrderListAgeSeconds: number
  /** Whether requests may be held back for longer than lease and quarantine together: then nothing can help. */
  readonly isHoleOpen: boolean
  readonly faults: FaultRates
  /** From then on there are no faults. */
  readonly calmFromSeconds: number
  readonly orders: ReadonlyArray<SubmittedOrder & { readonly insertedAtSeconds: number }>
  readonly incidents: ReadonlyArray<Incident>
  readonly outages: ReadonlyArray<DatabaseOutage>
  readonly actions: ReadonlyArray<Action>
  /** Within so many seconds of the calm everything must have come to rest. */
  readonly restSeconds: number
}

/** Lets requests arrive later than any quarantine: the hole that remains, to be shown, not to be run as a rule. */
export interface ScenarioOptions {
  readonly isHoleOpen: boolean
}
