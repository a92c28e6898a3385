import type { BigDecimal } from "effect"
import type { UntrustedOrder } from "../../src/domain/lifecycle/validateOrder.ts"
import type { OrderId, SliceId, Tag } from "../../src/domain/model/Ids.ts"
import type { OrderQueueStatus } from "../../src/domain/model/Order.ts"
import type { OrderParameters } from "../../src/domain/model/Order.ts"
import type { Stage } from "../../src/domain/model/OrderSlice.ts"
import type { PlanCause } from "../../src/domain/planning/planOrder.ts"
import type { ScheduleInput } from "../../src/domain/planning/schedule/Schedule.ts"
import type { NotedDifference } from "../../src/stores/account/SettlementStore.ts"

/* The rows of the service's tables, as far as the workers use them. Times are milliseconds since 1970, with fractions. */

export interface OrderRow extends UntrustedOrder {
  totalQuantity: number | null
  numSplits: number | null
  limitPrice: string | null
  readonly createdAt: number
  readonly requestId: string | null
  readonly originTraceId: string | null
  orderQueueStatus: OrderQueueStatus
  statusReason: string | null
  reasonCode: string | null
  claimVersion: number
  claimedBy: string | null
  claimedAt: number | null
  splitAttempts: number
  splitAt: number | null
  cancelRequestedAt: number | null
  heldAt: number | null
  holdReason: string | null
  holdReasonCode: string | null
  resumedAt: number | null
  settledAt: number | null
}

export interface SliceRow extends OrderParameters {
  readonly id: SliceId
  readonly orderId: OrderId
  readonly sequenceNumber: number
  readonly tag: Tag
  readonly quantity: number
  readonly requestId: string | null
  readonly traceId: string | null
  readonly market: string | null
  readonly scheduledAt: number
  notBefore: number
  notAfter: number
  readonly staleAt: number | null
  stage: Stage
  stageReason: string | null
  reasonCode: string | null
  claimVersion: number
  claimedBy: string | null
  claimedAt: number | null
  leaseExpiresAt: number | null
  attempts: number
  outcomeUnknownAt: number | null
  inDoubtAt: number | null
  leftBookAt: number | null
  placedAt: number | null
  acknowledgedAt: number | null
  brokerOrderId: string | null
  brokerStatus: string | null
  brokerStatusText: string | null
  brokerIsFinal: boolean
  filledQuantity: number
  averagePrice: BigDecimal.BigDecimal | null
  cancelSentAt: number | null
  isHeld: boolean
  replacedBy: number | null
  carriedQuantity: number
  isWaived: boolean
}

export interface PlanRow {
  readonly orderId: string
  readonly revision: number
  readonly firstSequence: number
  readonly input: ScheduleInput
  readonly startsAt: number
  readonly endsAt: number
  readonly closesAt: number
  readonly completesAt: number | null
  readonly cause: PlanCause
}

export interface EventRow {
  readonly id: string
  readonly call: string
  readonly outcome: string
  readonly orderId: string | null
  readonly sliceId: string | null
  readonly attempt: number | null
  readonly brokerOrderId: string | null
  readonly worker: string
}

export interface DifferenceRow extends NotedDifference {
  readonly seenAt: number
  isEnded: boolean
}

export interface HaltRow {
  readonly id: number
  readonly isHalted: boolean
  readonly reason: string
  readonly requestedBy: string
  readonly requestedAt: number
}

export interface WorkerRow {
  readonly instanceId: string
  readonly worker: string
  heartbeatAt: number
  staleAfterMillis: number
  acknowledgedHalt: number
}

/** The server's history, and the row that records it. */
export interface HistoryRow {
  timeline: string
  recordedTimeline: string
  /** How many statements have taken effect. */
  logPosition: number
  versionBase: number
  unsettled: { readonly since: number; readonly timeline: string; readonly reason: string } | null
}

/** The tables that the judge looks at, and that the comparison of two databases covers. */
export interface Tables {
  readonly orders: ReadonlyMap<string, Readonly<OrderRow>>
  readonly slices: ReadonlyMap<string, Readonly<SliceRow>>
  readonly events: ReadonlyMap<string, EventRow>
  /** By tag and kind. */
  readonly differences: ReadonlyMap<string, object>
  readonly halts: ReadonlyArray<HaltRow>
  readonly isHistorySettled: boolean
}
