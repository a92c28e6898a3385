import { Schema } from "effect"
import { OrderQueueStatus } from "../../domain/model/Order.ts"
import { StoredReasonCode } from "../../domain/model/reason.ts"
import { bounded, maxShown } from "./bounded.ts"
import { shownTime } from "./shownTime.ts"

/** One order's progress, derived from its slices. Quantities in units of the instrument. */
export const OrderProgress = Schema.Struct({
  orderId: Schema.String,
  instrument: Schema.NullOr(Schema.String),
  side: Schema.NullOr(Schema.String),
  totalQuantity: Schema.NullOr(Schema.Number),
  orderQueueStatus: OrderQueueStatus,
  statusReason: Schema.NullOr(Schema.String),
  state: Schema.String,
  createdAt: Schema.DateTimeUtcFromDate,
  slices: Schema.Int,
  scheduled: Schema.Int,
  inProgress: Schema.Int,
  unknown: Schema.Int,
  processed: Schema.Int,
  failed: Schema.Int,
  skipped: Schema.Int,
  open: Schema.Int,
  placedQuantity: Schema.Number,
  filledQuantity: Schema.Number,
  averagePrice: Schema.NullOr(Schema.String),
  nextDueAt: Schema.NullOr(Schema.DateTimeUtcFromDate),
  lastDueAt: Schema.NullOr(Schema.DateTimeUtcFromDate),
  maxLatenessMillis: Schema.NullOr(Schema.Number),
  /** Why the order is on hold; null when it is not. */
  holdReason: Schema.NullOr(Schema.String),
  reasonCode: StoredReasonCode,
  holdReasonCode: StoredReasonCode
})
export type OrderProgress = typeof OrderProgress.Type

/** The columns of the view `order_progress` that make an {@link OrderProgress}. */
export const progressColumns = `
  order_id, ${bounded("instrument", maxShown)}, ${bounded("side", maxShown)}, total_quantity::float8 AS total_quantity, order_queue_status, ${bounded("status_reason", maxShown)}, state,
  ${shownTime("created_at")} AS created_at, slices, scheduled, in_progress, unknown, processed,
  failed, skipped, open, placed_quantity::float8 AS placed_quantity, filled_quantity::float8 AS filled_quantity,
  average_price::text AS average_price, next_due_at, last_due_at, max_lateness_millis,
  ${bounded("hold_reason", maxShown)}, ${bounded("reason_code", maxShown)}, ${bounded("hold_reason_code", maxShown)}`
