import { Schema } from "effect"

/** The broker refused for good: the same request would be refused again. */
export class BrokerRefused extends Schema.TaggedError<BrokerRefused>()("BrokerRefused", {
  code: Schema.String,
  message: Schema.String
}) {}

/** The request certainly had no effect, and may be sent again, not before `retryAt` (UTC). */
export class BrokerTryLater extends Schema.TaggedError<BrokerTryLater>()("BrokerTryLater", {
  code: Schema.String,
  message: Schema.String,
  retryAt: Schema.DateTimeUtc
}) {}

/**
 * The broker does not take orders from us: our token is no longer valid, or our network address is not on its list. The
 * request certainly had no effect, and every other one would meet the same.
 */
export class BrokerCredentialsInvalid extends Schema.TaggedError<BrokerCredentialsInvalid>()(
  "BrokerCredentialsInvalid",
  { kind: Schema.Literals(["token", "address"]), message: Schema.String }
) {}

/**
 * The request did not leave us: its deadline was past, placements are on hold, a limit of ours is used up, or this is a
 * dry run. It may be tried again from `retryAt` (UTC) on; null when it is not to be tried again.
 */
export class BrokerNotSent extends Schema.TaggedError<BrokerNotSent>()("BrokerNotSent", {
  code: Schema.Literals(["deadline", "on_hold", "rate_limit", "daily_limit", "dry_run"]),
  message: Schema.String,
  retryAt: Schema.NullOr(Schema.DateTimeUtc)
}) {}

/** Nobody knows whether the request had an effect: a timeout after sending, a reset connection, an answer that makes no sense. */
export class BrokerOutcomeUnknown extends Schema.TaggedError<BrokerOutcomeUnknown>()("BrokerOutcomeUnknown", {
  code: Schema.String,
  message: Schema.String
}) {}

/** What a placement or a cancel can answer instead of success. */
export type BrokerError =
  | BrokerRefused
  | BrokerTryLater
  | BrokerCredentialsInvalid
  | BrokerOutcomeUnknown
  | BrokerNotSent

/** What a look-up can answer instead of broker orders. A failed look-up never means "not found". */
export type BrokerLookupError = BrokerTryLater | BrokerCredentialsInvalid

/** The code of a BrokerTryLater that means: the broker is not there. */
export const notConnected = "not_connected"

/** The code of a BrokerTryLater by which the broker says that the day's limit is used up. */
export const dailyLimitCode = "daily_limit"
/** And that requests come too fast. */
export const tooFastCode = "429"
