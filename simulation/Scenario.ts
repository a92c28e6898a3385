import type { Amendment } from "../src/domain/planning/replan/amend.ts"
import type { StepOfTheDatabase } from "./DatabaseClockStep.ts"
import type { FaultRates } from "./faultRates.ts"
import type { SubmittedOrder } from "./store/Database.ts"

/**
 * An incident of a process: it is killed; stopped while its clocks run on (SIGSTOP); stopped together with its monotonic
 * clock (a suspended host); or the wall clock of its host is set.
 */
export type IncidentKind = "kill" | "freeze" | "suspend" | "set the clock"

/** An incident for whichever process is the n-th, by `countdown`, to reach a crash point. */
export interface Incident {
  readonly point: string
  readonly kind: IncidentKind
  readonly pauseMillis: number
  /** For the crash point of a waiting worker: how long after the wait began. */
  readonly afterMillis: number
  countdown: number
}

/** A time in which one process cannot reach the database, or, with null, no process can. */
export interface DatabaseOutage {
  readonly process: string | null
  readonly isAt: (seconds: number) => boolean
}

/** The database fails over to a standby that has got nothing of the last seconds, and cannot be reached for some more. */
export interface FailOver {
  readonly atSeconds: number
  readonly lagSeconds: number
  readonly outageSeconds: number
}

/** An action of an operator or the platform, at a time or soon after the n-th placement has begun. */
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
  /** The maximum time from a request's leaving until its order is in the order list; less than the quarantine unless `isHoleOpen`. */
  readonly latestArrivalSeconds: number
  readonly maxOrderListAgeSeconds: number
  /** By how much time synchronisation may slew the clocks of the hosts against the database's, in parts per million. */
  readonly slewPpm: number
  readonly databaseStep: StepOfTheDatabase | null
  /** Requests may arrive later than the quarantine. The service cannot prevent a double placement then. */
  readonly isHoleOpen: boolean
  readonly faults: FaultRates
  /** No fault is injected from then on. */
  readonly calmFromSeconds: number
  readonly orders: ReadonlyArray<SubmittedOrder & { readonly insertedAtSeconds: number }>
  readonly incidents: ReadonlyArray<Incident>
  readonly outages: ReadonlyArray<DatabaseOutage>
  readonly failOver: FailOver | null
  readonly actions: ReadonlyArray<Action>
  /** How long after the last fault everything must be at rest. */
  readonly restSeconds: number
}

/** `isHoleOpen` lets requests arrive later than the quarantine. It demonstrates the limit of the promise: such runs may fail. */
export interface ScenarioOptions {
  readonly isHoleOpen: boolean
}
