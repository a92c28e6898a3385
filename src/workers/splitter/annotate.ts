import { Effect } from "effect"
import type { ClaimedOrder } from "../../stores/orders/OrderStore.ts"

export const annotate = (order: ClaimedOrder) =>
  Effect.annotateLogs({ order_id: order.id, request_id: order.requestId, trace_id: order.originTraceId })
