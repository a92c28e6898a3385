import { Schema } from "effect"

/** The unfinished work of all replicas. Counts of slices stop at a maximum. */
export const Backlog = Schema.Struct({
  /** PENDING, and waiting for nothing but a splitter. */
  ordersPending: Schema.Int,
  /** PENDING, and waiting for days that the trading calendar does not know. */
  ordersWaiting: Schema.Int,
  ordersInProgress: Schema.Int,
  /** Since when the oldest order has been waiting for a splitter. */
  pendingSince: Schema.NullOr(Schema.DateTimeUtcFromDate),
  scheduled: Schema.Int,
  /** SCHEDULED slices that are due, those of orders on hold excepted, and since when the oldest has been due. */
  due: Schema.Int,
  dueSince: Schema.NullOr(Schema.DateTimeUtcFromDate),
  /** IN_PROGRESS, those in doubt included. */
  inProgress: Schema.Int,
  /** Slices in doubt, and since when the oldest has been. */
  inDoubt: Schema.Int,
  inDoubtSince: Schema.NullOr(Schema.DateTimeUtcFromDate),
  /** PROCESSED slices whose broker order may still change. */
  open: Schema.Int
})
export type Backlog = typeof Backlog.Type
