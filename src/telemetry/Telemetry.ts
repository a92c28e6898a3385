import { Context, type DateTime } from "effect"
import type { Backlog } from "../domain/model/Backlog.ts"
import type { BrokerOutcome } from "../domain/model/brokerOutcome.ts"
import type { ClosureKind } from "../domain/model/GateClosure.ts"
import type { ClaimedSlice, NextStage, UnresolvedSlice } from "../domain/model/OrderSlice.ts"
import type { WorkerName } from "../domain/model/WorkerName.ts"
import type { BrokerCall, SkipReason, SplitOutcome } from "./Metrics.ts"

/** The order of a split, as far as anything is known of it. */
export interface SplitOrderEvent {
  readonly id: string
  readonly originTraceId: string | null
  readonly requestId: string | null
  /** When it was inserted, in milliseconds since 1970; null when that cannot be right. */
  readonly createdMillis: number | null
}

/** From when to when something took place, in milliseconds since 1970, with fractions. */
export interface Span {
  readonly beganMillis: number
  readonly endedMillis: number
}

/**
 * Takes note of what happens, for metrics and traces. Plain calls that cost next to nothing, never fail and wait for
 * nobody; without a receiver they do nothing at all.
 */
export interface Telemetry {
  readonly isOn: boolean
  readonly split: (order: SplitOrderEvent, outcome: SplitOutcome, slices: number, span: Span) => void
  /** A placement has ended, and this is what becomes of its slice. */
  readonly placed: (slice: ClaimedSlice, next: NextStage, span: Span) => void
  /** The broker was not called for a claimed slice. */
  readonly notFired: (next: NextStage) => void
  readonly skipped: (reason: SkipReason, slices: number) => void
  /** A doubt is settled by a look-up in the broker's book. */
  readonly reconciled: (slice: UnresolvedSlice, next: NextStage, span: Span) => void
  /** Nobody can tell from the broker's book, or it showed an order after all. */
  readonly doubted: (what: "unprovable" | "turned_up") => void
  readonly doublePlacement: () => void
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

/** What everything is silent with: no receiver is configured. */
export const silent: Telemetry = {
  isOn: false,
  split: nothing,
  placed: nothing,
  notFired: nothing,
  skipped: nothing,
  reconciled: nothing,
  doubted: nothing,
  doublePlacement: nothing,
  brokerCalled: nothing,
  waitedForTurn: nothing,
  held: nothing,
  ticked: nothing,
  clockOffset: nothing,
  statementBegan: nothing,
  statementEnded: nothing,
  backlog: nothing
}

/** Silent, unless a layer says otherwise: whoever has something to tell need not ask whether anybody listens. */
export const Telemetry: Context.Reference<Telemetry> = Context.Reference("pulse-background/Telemetry", {
  defaultValue: () => silent
})
