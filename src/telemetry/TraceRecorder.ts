import type { ClaimedSlice, NextStage, UnresolvedSlice } from "../domain/model/OrderSlice.ts"
import { outcomeOf, type SplitOutcome } from "./Metrics.ts"
import type { Span, SplitOrderEvent } from "./Telemetry.ts"
import { type EndedSpan, orderTrace, type OrderTrace, placeInTrace, type Sampler, spanIdOf } from "./trace.ts"

/** Turns what happens to an order into spans of its trace. Nothing is recorded for orders that are not sampled. */
export interface TraceRecorder {
  readonly split: (order: SplitOrderEvent, outcome: SplitOutcome, slices: number, span: Span) => void
  readonly placed: (slice: ClaimedSlice, next: NextStage, span: Span) => void
  readonly reconciled: (slice: UnresolvedSlice, next: NextStage, span: Span) => void
}

/** The traces of this many orders are cached: the slices of an order come one after another, by the hundred. */
const maxCached = 1000

export const makeTraceRecorder = (sampler: Sampler, push: (span: EndedSpan) => void): TraceRecorder => {
  const cached = new Map<string, OrderTrace>()
  const traceOf = (orderId: string, originTraceId: string | null): OrderTrace => {
    const known = cached.get(orderId)
    if (known !== undefined) return known
    if (cached.size >= maxCached) cached.clear()
    const trace = orderTrace(orderId, originTraceId, sampler)
    cached.set(orderId, trace)
    return trace
  }

  return {
    split: (order, outcome, slices, span) => {
      const trace = traceOf(order.id, order.originTraceId)
      if (trace.isSampled) push(splitSpan(trace, order, outcome, slices, span))
    },
    placed: (slice, next, span) => {
      const trace = traceOf(slice.orderId, slice.traceId)
      if (trace.isSampled) push(placeSpan(trace, slice, next, span))
    },
    reconciled: (slice, next, span) => {
      const trace = traceOf(slice.orderId, slice.traceId)
      if (trace.isSampled) push(reconcileSpan(trace, slice, next, span))
    }
  }
}

const splitSpan = (
  trace: OrderTrace,
  order: SplitOrderEvent,
  outcome: SplitOutcome,
  slices: number,
  { beganMillis, endedMillis }: Span
): EndedSpan => ({
  name: "split",
  kind: "internal",
  traceId: trace.traceId,
  spanId: trace.splitSpanId,
  parentSpanId: trace.parentSpanId,
  linkedSpanIds: [],
  beganMillis,
  endedMillis,
  attributes: { order_id: order.id, ...requestId(order.requestId), outcome, slices },
  error: outcome === "failed" ? "the order cannot be split" : null
})

const placeSpan = (
  trace: OrderTrace,
  slice: ClaimedSlice,
  next: NextStage,
  { beganMillis, endedMillis }: Span
): EndedSpan => ({
  name: "place",
  kind: "client",
  traceId: trace.traceId,
  spanId: placeSpanId(slice),
  ...placeInTrace(trace, beganMillis),
  beganMillis,
  endedMillis,
  attributes: {
    ...attributesOf(slice, next),
    attempt: slice.attempts + 1,
    quantity: slice.quantity,
    instrument: slice.instrument,
    lateness_seconds: (beganMillis - slice.scheduledMillis) / 1000
  },
  error: errorOf(next)
})

const reconcileSpan = (
  trace: OrderTrace,
  slice: UnresolvedSlice,
  next: NextStage,
  { beganMillis, endedMillis }: Span
): EndedSpan => {
  const { parentSpanId, linkedSpanIds } = placeInTrace(trace, beganMillis)
  return {
    name: "reconcile",
    kind: "internal",
    traceId: trace.traceId,
    spanId: spanIdOf("reconcile", slice.id, slice.claimVersion),
    parentSpanId,
    linkedSpanIds: [...linkedSpanIds, placeSpanId(slice)],
    beganMillis,
    endedMillis,
    attributes: {
      ...attributesOf(slice, next),
      attempt: slice.attempts,
      doubt_seconds: (endedMillis - slice.lastSentMillis) / 1000
    },
    error: errorOf(next)
  }
}

/** The span of the placement under one claim; the claim version tells it from earlier placements. */
const placeSpanId = ({ id, claimVersion }: ClaimedSlice | UnresolvedSlice): string =>
  spanIdOf("place", id, claimVersion)

const requestId = (id: string | null) => (id === null ? {} : { request_id: id })

const attributesOf = (slice: ClaimedSlice | UnresolvedSlice, next: NextStage) => ({
  order_id: slice.orderId,
  slice_id: slice.id,
  tag: slice.tag,
  ...requestId(slice.requestId),
  outcome: outcomeOf(next),
  ...(next._tag === "Processed" ? { broker_order_id: next.brokerOrderId } : {})
})

/** The reason, as in the log and the database. */
const errorOf = (next: NextStage): string | null =>
  next._tag === "Failed" || next._tag === "Unknown" ? next.reason : null
