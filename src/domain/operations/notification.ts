import { DateTime, Duration, Schema } from "effect"
import { StoredReasonCode } from "../model/reason.ts"
import { chatText } from "../text/chatText.ts"
import { safe } from "../text/safe.ts"
import { shortened } from "../text/shortened.ts"

/** The kinds of events that people are notified of. */
export const NotificationKind = Schema.Literals([
  "double_placement",
  "broker_differs",
  "outcome_unknown",
  "cancel_refused",
  "credentials",
  "daily_limit",
  "halted",
  "resumed",
  "database_loss",
  "order_held",
  "instruments",
  "calendar_ends",
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

/** The most characters of a message. */
export const maxMessage = 2000
/** The most characters of any other text. Keys have at most 200. */
const maxOther = 256

/**
 * The body of the webhook's request. Whatever a row, a person or the broker wrote is cut, and its control and format
 * characters are masked. In a chat it is also without effect; the JSON is data, and its receiver escapes what it shows.
 */
export const bodyOf = (format: NotificationFormat, delivery: Delivery): Readonly<Record<string, unknown>> => {
  const { key, kind, severity, orderId, sliceId, reasonCode, foundAt, count } = delivery
  const message = shortened(delivery.message, maxMessage)
  if (format === "slack") {
    return { text: `${marks[severity]} ${chatText(message)}`, parse: "none", link_names: false, ...withoutPreviews }
  }
  return {
    service: "pulse-background",
    key: distinct(key),
    kind,
    severity,
    message: safe(message),
    order_id: shown(orderId),
    slice_id: shown(sliceId),
    reason_code: shown(reasonCode),
    found_at: DateTime.formatIso(foundAt),
    ...(count === undefined ? {} : { count })
  }
}

const marks = { info: ":information_source:", warning: ":warning:", critical: ":rotating_light:" }

const withoutPreviews = { unfurl_links: false, unfurl_media: false }

const shown = (text: string | null): string | null => (text === null ? null : safe(shortened(text, maxOther)))

/** Masked so that different keys stay different: a receiver tells by the key whether it has a notification already. */
const distinct = (key: string): string =>
  Array.from(key, (character) =>
    safe(character) === character ? character : `%${character.codePointAt(0)?.toString(16)}`
  ).join("")

const firstPause = Duration.seconds(5)
/** The longest time until an attempt at a notification that is not delivered. */
export const maxPause = Duration.minutes(5)

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
