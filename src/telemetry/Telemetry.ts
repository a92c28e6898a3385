import { Context, type DateTime } from "effect"
import type { DifferenceKind } from "../domain/lifecycle/settlement.ts"
import type { Backlog } from "../domain/model/Backlog.ts"
import type { BrokerOutcome } from "../domain/model/brokerOutcome.ts"
import type { ClosureKind } from "../domain/model/GateClosure.ts"
import type { ClaimedSlice, NextStage, UnresolvedSlice } from "../domain/model/OrderSlice.ts"
import type { WorkerName } from "../domain/model/WorkerName.ts"
import type { BrokerCall, SkipReason, SplitOutcome } from "./Metrics.ts"

/** The order of a split, as far as it is known. */
export interface SplitOrderEvent {
  readonly id: string
  readonly originTraceId: string | null
  readonly requestId: string | null
  /** When its window begins, in milliseconds since 1970; null when the value is implausible. */
  readonly startsMillis: number | null
}

/** Start and end of an event, in milliseconds since 1970, with fractions. */
export interface Span {
  readonly beganMillis: number
  readonly endedMillis: number
}

/**
 * Records events for metrics and traces. The methods are plain synchronous calls that cost very little and never fail, so they
 * may stand between the firing of two slices; without a receiver they do nothing. Called by the workers, the broker layers, the
 * database and its clock.
 */
export interface Telemetry {
  readonly isOn: boolean
  readonly split: (order: SplitOrderEvent, outcome: SplitOutcome, slices: number, span: Span) => void
  /** A placement has ended, with the next stage of its slice. */
  readonly placed: (slice: ClaimedSlice, next: NextStage, span: Span) => void
  /** The broker was not called for a claimed slice. */
  readonly notFired: (next: NextStage) => void
  readonly skipped: (reason: SkipReason, slices: number) => void
  /** A slice in doubt was reconciled with the broker's order list. */
  readonly reconciled: (slice: UnresolvedSlice, next: NextStage, span: Span) => void
  /** The broker's order list proves nothing about a slice in doubt, or showed its order after the slice was given up. */
  readonly doubted: (what: "unprovable" | "turned_up") => void
  /** An order was given this reason. */
  readonly orderReason: (code: string) => void
  /** Slices were given this reason, beside those that are counted with what becomes of them. */
  readonly sliceReason: (code: string, slices: number) => void
  readonly doublePlacement: () => void
  /** The broker's order list differs from what is known. */
  readonly differed: (kind: DifferenceKind) => void
  readonly brokerCalled: (call: BrokerCall, outcome: BrokerOutcome, span: Span) => void
  readonly waitedForTurn: (span: Span) => void
  readonly held: (kind: ClosureKind, isHeld: boolean) => void
  readonly ticked: (worker: WorkerName, isOk: boolean) => void
  readonly clockOffset: (millis: number) => void
  readonly statementBegan: () => void
  /** `errorType` is PostgreSQL's SQLSTATE, where there is one; null when the statement succeeded. */
  readonly statementEnded: (operation: string, errorType: string | null, span: Span) => void
  readonly backlog: (backlog: Backlog, now: DateTime.Utc) => void
}

const nothing = () => undefined

/** Does nothing: no receiver is configured. */
export const silent: Telemetry = {
  isOn: false,
  split: nothing,
  placed: nothing,
  notFired: nothing,
  skipped: nothing,
  reconciled: nothing,
  doubted: nothing,
  orderReason: nothing,
  sliceReason: nothing,
  doublePlacement: nothing,
  differed: nothing,
  brokerCalled: nothing,
  waitedForTurn: nothing,
  held: nothing,
  ticked: nothing,
  clockOffset: nothing,
  statementBegan: nothing,
  statementEnded: nothing,
  backlog: nothing
}

/** Silent unless a layer provides a recorder, so callers need not check for a receiver. */
export const Telemetry: Context.Reference<Telemetry> = Context.Reference("pulse-background/Telemetry", {
  defaultValue: () => silent
})
