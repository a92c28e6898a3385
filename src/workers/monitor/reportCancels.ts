import { Effect } from "effect"
import type { OpenSlice } from "../../domain/model/OrderSlice.ts"
import type { Reason } from "../../domain/model/reason.ts"
import { counted } from "../../domain/text/plural.ts"
import { annotateOrder, annotateReason, annotateSlice } from "../../runtime/annotate.ts"
import type { BrokerEvent } from "../../stores/sql/insertEvents.ts"

/** A cancel that was not accepted. */
interface RefusedCancel {
  readonly slice: OpenSlice
  readonly reason: Reason
}

/** The most broker orders that a line names. */
const maxNamed = 10

/** Logs a sent cancel. What was not accepted is a warning of its own, once for each reason. */
export const reportAnswer = (slice: OpenSlice, { outcome, response }: BrokerEvent) =>
  (outcome === "ok"
    ? Effect.logInfo("Cancel sent to the broker: ok")
    : Effect.logDebug(`Cancel sent to the broker: ${outcome}`, response)
  ).pipe(annotateSlice(slice), Effect.annotateLogs("broker_order_id", slice.brokerOrderId))

/** Warns of cancels that the broker has refused for a reason that is new for their slices: one line for each order and reason. */
export const reportRefusedCancels = (refused: ReadonlyArray<RefusedCancel>) =>
  Effect.forEach(
    Map.groupBy(refused, ({ slice, reason }) => JSON.stringify([slice.orderId, reason.text])).values(),
    ([first, ...others]) =>
      first === undefined
        ? Effect.void
        : Effect.logWarning(
            `Cancel not accepted, and tried again after pauses that grow to ten minutes, for ` +
              `${brokerOrders([first, ...others].map(({ slice }) => slice))}: ${first.reason.text}`
          ).pipe(annotate(first.slice, first.reason)),
    { discard: true }
  )

/** Reports the slices of which no cancels are sent, and which did not have this reason before: one error for each order. */
export const reportStoppedCancels = (slices: ReadonlyArray<OpenSlice>, reason: Reason) =>
  Effect.forEach(
    Map.groupBy(slices, ({ orderId }) => orderId).values(),
    ([first, ...others]) =>
      first === undefined
        ? Effect.void
        : Effect.logError(
            `Cancel at the broker ${brokerOrders([first, ...others])}; the service cannot: ${reason.text}`
          ).pipe(annotate(first, reason)),
    { discard: true }
  )

const annotate = (slice: OpenSlice, { code }: Reason) => {
  const order = annotateOrder({ id: slice.orderId, requestId: slice.requestId, originTraceId: slice.traceId })
  return <A>(line: Effect.Effect<A>) => line.pipe(order, annotateReason(code))
}

const brokerOrders = (slices: ReadonlyArray<OpenSlice>): string => {
  const named = slices
    .toSorted((a, b) => a.key - b.key)
    .slice(0, maxNamed)
    .map(({ brokerOrderId }) => brokerOrderId)
  const more = slices.length > maxNamed ? ` and ${slices.length - maxNamed} more` : ""
  return `${counted(slices.length, "broker order")}, ${named.join(", ")}${more}`
}
