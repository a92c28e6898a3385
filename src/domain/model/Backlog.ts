import { Schema } from "effect"

/** What is not over yet, of all replicas. Counts of slices end at {@link maxCounted}. */
export const Backlog = Schema.Struct({
  ordersPending: Schema.Int,
  ordersInProgress: Schema.Int,
  /** Since when the oldest PENDING order has been waiting. */
  pendingSince: Schema.NullOr(Schema.DateTimeUtcFromDate),
  scheduled: Schema.Int,
  /** SCHEDULED slices whose time has come, but for those of orders on hold, and since when the oldest is one. */
  due: Schema.Int,
  dueSince: Schema.NullOr(Schema.DateTimeUtcFromDate),
  /** IN_PROGRESS, those in doubt included. */
  inProgress: Schema.Int,
  /** Slices whose outcome is unknown or whose lease is over, and since when the oldest is one. */
  inDoubt: Schema.Int,
  inDoubtSince: Schema.NullOr(Schema.DateTimeUtcFromDate),
  /** PROCESSED slices whose broker order may still change. */
  open: Schema.Int
})
export type Backlog = typeof Backlog.Type
