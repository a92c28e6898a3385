import { DateTime, Duration, Schema } from "effect"

/** What happened, by its kind. */
export const NotificationKind = Schema.Literals([
  "double_placement",
  "outcome_unknown",
  "credentials",
  "daily_limit",
  "halted",
  "resumed",
  "shortfall",
  "test"
])
export type NotificationKind = typeof NotificationKind.Type

/** `critical`: somebody must do something now. */
export const Severity = Schema.Literals(["info", "warning", "critical"])

/** Something that people are to be told of. The same fact always has the same key. */
export const Notification = Schema.Struct({
  key: Schema.String,
  kind: NotificationKind,
  severity: Severity,
  message: Schema.String,
  orderId: Schema.NullOr(Schema.String),
  sliceId: Schema.NullOr(Schema.String),
  foundAt: Schema.DateTimeUtcFromDate
})
export type Notification = typeof Notification.Type

/** How a notification is written for whoever receives it. */
export type NotificationFormat = "json" | "slack"

/** The body of the webhook's request. */
export const bodyOf = (format: NotificationFormat, notification: Notification): Readonly<Record<string, unknown>> => {
  const { key, kind, severity, message, orderId, sliceId, foundAt } = notification
  if (format === "slack") return { text: `${marks[severity]} ${escaped(message)}` }
  return {
    service: "pulse-background",
    key,
    kind,
    severity,
    message,
    order_id: orderId,
    slice_id: sliceId,
    found_at: DateTime.formatIso(foundAt)
  }
}

const marks = { info: ":information_source:", warning: ":warning:", critical: ":rotating_light:" }

/** Slack reads these three as its own marks. */
const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

const firstPause = Duration.seconds(5)
const maxPause = Duration.minutes(5)
/** What could not be told by then is old news. */
export const deliveredWithin = Duration.hours(1)

/** When a delivery that failed is tried again, after so many attempts; null: no more. */
export const nextAttempt = (foundAt: DateTime.Utc, attempts: number, now: DateTime.Utc): DateTime.Utc | null => {
  const pause = Duration.min(Duration.times(firstPause, 2 ** Math.min(attempts - 1, 10)), maxPause)
  const next = DateTime.addDuration(now, pause)
  return DateTime.isGreaterThan(next, DateTime.addDuration(foundAt, deliveredWithin)) ? null : next
}
