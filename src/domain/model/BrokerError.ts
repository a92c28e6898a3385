import { Schema } from "effect"

/** The broker refused for good: the same request would be refused again. */
export class BrokerRefused extends Schema.TaggedError<BrokerRefused>()("BrokerRefused", {
  code: Schema.String,
  message: Schema.String
}) {}

/** The request certainly had no effect. It may be sent again from `retryAt` (UTC) on. */
export class BrokerTryLater extends Schema.TaggedError<BrokerTryLater>()("BrokerTryLater", {
  code: Schema.String,
  message: Schema.String,
  retryAt: Schema.DateTimeUtc
}) {}

/**
 * The broker takes no orders from us: our token is invalid, our network address is not registered, or, for a cancel, we lack
 * the rights. The request certainly had no effect, and every other request would fail alike; for the rights only perhaps.
 */
export class BrokerCredentialsInvalid extends Schema.TaggedError<BrokerCredentialsInvalid>()(
  "BrokerCredentialsInvalid",
  { kind: Schema.Literals(["token", "address", "permission"]), message: Schema.String }
) {}

/**
 * The request was not sent: its deadline had passed, the placement gate was closed, a limit of ours was used up, or this is a dry
 * run. It may be tried again from `retryAt` (UTC) on; null if it must not be.
 */
export class BrokerNotSent extends Schema.TaggedError<BrokerNotSent>()("BrokerNotSent", {
  code: Schema.Literals([
    "deadline",
    "gate_closed",
    "order_stopped",
    "circuit_open",
    "order_in_trouble",
    "order_waits",
    "rate_limit",
    "daily_limit",
    "dry_run"
  ]),
  message: Schema.String,
  retryAt: Schema.NullOr(Schema.DateTimeUtc)
}) {}

/** The request may have had an effect: a timeout after sending, a reset connection, or an answer that is not understood. */
export class BrokerOutcomeUnknown extends Schema.TaggedError<BrokerOutcomeUnknown>()("BrokerOutcomeUnknown", {
  code: Schema.String,
  message: Schema.String
}) {}

/** The errors of a placement or a cancel. */
export type BrokerError =
  | BrokerRefused
  | BrokerTryLater
  | BrokerCredentialsInvalid
  | BrokerOutcomeUnknown
  | BrokerNotSent

/** The errors of a look-up. A failed look-up never means "not found". */
export type BrokerLookupError = BrokerTryLater | BrokerCredentialsInvalid

/** The code of a BrokerTryLater for a broker that cannot be reached. */
export const notConnected = "not_connected"

/** The code of a BrokerTryLater for a used-up limit of the day. */
export const dailyLimitCode = "daily_limit"
/** The code of a BrokerTryLater for requests that come too fast. */
export const tooFastCode = "429"
/** The code of a BrokerTryLater for an order that the broker or the exchange does not take at this time of the day. */
export const notNowCode = "not_now"
