import { DateTime, Duration, Schema } from "effect"
import { StoredReasonCode } from "../model/reason.ts"

/** The kinds of events that people are notified of. */
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

/** `critical` means that a person must act now. */
export const Severity = Schema.Literals(["info", "warning", "critical"])
export type Severity = typeof Severity.Type

/** One event that people are notified of. The same event always has the same key. */
export const Notification = Schema.Struct({
  key: Schema.String,
  kind: NotificationKind,
  severity: Severity,
  message: Schema.String,
  orderId: Schema.NullOr(Schema.String),
  sliceId: Schema.NullOr(Schema.String),
  reasonCode: StoredReasonCode,
  foundAt: Schema.DateTimeUtcFromDate
})
export type Notification = typeof Notification.Type

/** What one request to the webhook tells: a notification, or a summary of `count` notifications of one kind. */
export interface Delivery extends Notification {
  readonly count?: number
}

/** The format that the receiver wants. */
export type NotificationFormat = "json" | "slack"

/** The body of the webhook's request. */
export const bodyOf = (format: NotificationFormat, delivery: Delivery): Readonly<Record<string, unknown>> => {
  const { key, kind, severity, message, orderId, sliceId, reasonCode, foundAt, count } = delivery
  if (format === "slack") return { text: `${marks[severity]} ${escaped(message)}` }
  return {
    service: "pulse-background",
    key,
    kind,
    severity,
    message,
    order_id: orderId,
    slice_id: sliceId,
    reason_code: reasonCode,
    found_at: DateTime.formatIso(foundAt),
    ...(count === undefined ? {} : { count })
  }
}

const marks = { info: ":information_source:", warning: ":warning:", critical: ":rotating_light:" }

/** Escapes the three characters that Slack treats as markup. */
const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

const firstPause = Duration.seconds(5)
const maxPause = Duration.minutes(5)

/**
 * How long after it was found an undelivered notification is dropped. A critical fact still asks for action after hours; any
 * other would read as if it had just happened.
 */
export const deliveredWithin = (severity: Severity): Duration.Duration =>
  severity === "critical" ? Duration.days(1) : Duration.hours(1)

/** When a failed delivery is tried again after the given number of attempts; null for not at all. */
export const nextAttempt = (
  { foundAt, severity }: Pick<Notification, "foundAt" | "severity">,
  attempts: number,
  now: DateTime.Utc
): DateTime.Utc | null => {
  const pause = Duration.min(Duration.times(firstPause, 2 ** Math.min(attempts - 1, 10)), maxPause)
  const next = DateTime.addDuration(now, pause)
  return DateTime.isGreaterThan(next, DateTime.addDuration(foundAt, deliveredWithin(severity))) ? null : next
}
