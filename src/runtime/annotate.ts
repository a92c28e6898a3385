import { Effect } from "effect"

/** The names that log lines give to an order's and a slice's ids. A line leaves out those that are not known. */
interface LogIds {
  readonly order_id?: string | undefined
  readonly slice_id?: string | undefined
  readonly request_id?: string | null | undefined
  readonly trace_id?: string | null | undefined
}

const annotate = (ids: LogIds) =>
  Effect.annotateLogs(Object.fromEntries(Object.entries(ids).filter(([, id]) => id !== undefined)))

/** Annotates log lines about an order with its ids. */
export const annotateOrder = (order: {
  readonly id: string
  readonly requestId?: string | null
  readonly originTraceId?: string | null
}) => annotate({ order_id: order.id, request_id: order.requestId, trace_id: order.originTraceId })

/** Annotates log lines about a slice with its ids and those of its order. */
export const annotateSlice = (slice: {
  readonly id: string
  readonly orderId?: string
  readonly requestId?: string | null
  readonly traceId?: string | null
}) =>
  annotate({
    order_id: slice.orderId,
    slice_id: slice.id,
    request_id: slice.requestId,
    trace_id: slice.traceId
  })
