import { type BigDecimal, Context, type DateTime, type Duration, type Effect, Schema } from "effect"
import type { BrokerOrderId, SliceId, Tag } from "../domain/model/Ids.ts"
import type { Instrument, OrderParameters } from "../domain/model/Order.ts"

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

/** One attempt to create a broker order for a slice. */
export interface Placement extends OrderParameters {
  readonly sliceId: SliceId
  readonly tag: Tag
  readonly quantity: number
  /** An absolute time after which the request must not be sent any more. */
  readonly deadline: DateTime.Utc
}

/** "The broker has our order." No more than that: it may still be rejected. */
export interface Acknowledgement {
  readonly brokerOrderId: BrokerOrderId
}

/** What became of a broker order. UNRECOGNISED is a status word we do not know; it is never terminal. */
export const BrokerStatus = Schema.Literals([
  "PENDING",
  "OPEN",
  "PARTIALLY_FILLED",
  "COMPLETE",
  "CANCELLED",
  "REJECTED",
  "UNRECOGNISED"
])
export type BrokerStatus = typeof BrokerStatus.Type

export const isTerminal = (status: BrokerStatus): boolean =>
  status === "COMPLETE" || status === "CANCELLED" || status === "REJECTED"

/** A broker order as the broker's book shows it. */
export interface BrokerOrder {
  readonly brokerOrderId: BrokerOrderId
  readonly tag: Tag
  readonly status: BrokerStatus
  /** The broker's own word for the status, and its reason where it gives one. */
  readonly statusText: string
  readonly filledQuantity: number
  /** Of what is filled; null while nothing is. */
  readonly averagePrice: BigDecimal.BigDecimal | null
}

/** An order in the broker's book, whoever placed it, with every word that is written on it as a tag. */
export interface BookEntry {
  readonly brokerOrderId: BrokerOrderId
  readonly tags: ReadonlyArray<string>
}

/** What an instrument costs now, and how much of it has been traded. */
export interface Quote {
  readonly instrument: Instrument
  /** Of its last trade; above 0. */
  readonly lastPrice: BigDecimal.BigDecimal
  /** In units, since the trading day began; null where the broker does not say. */
  readonly dayVolume: number | null
}

/** The one way to a broker. Implementations: the layered mock, and Zerodha. */
export class Broker extends Context.Service<
  Broker,
  {
    readonly name: string

    /**
     * How long after a request was last possibly sent its order may still turn up in the book. Until then, "not in the
     * book" does not mean "not placed".
     */
    readonly quarantine: Duration.Duration

    /**
     * Since when the book is complete. That an order from before is not in it proves nothing: some brokers begin a new
     * book each day.
     */
    readonly bookSince: (now: DateTime.Utc) => DateTime.Utc

    /** Creates a broker order. Never retries by itself. */
    readonly place: (placement: Placement) => Effect.Effect<Acknowledgement, BrokerError>

    /**
     * Every broker order that carries one of the tags, whatever its state: from the whole book, not the open orders, in
     * one call. An absent tag has no order in the book yet. Two orders with one tag are both returned.
     */
    readonly findByTag: (tags: ReadonlySet<Tag>) => Effect.Effect<ReadonlyArray<BrokerOrder>, BrokerLookupError>

    /** Everything in the book, our own and what others have placed. */
    readonly listAll: Effect.Effect<ReadonlyArray<BookEntry>, BrokerLookupError>

    /** Asks the broker to cancel. Success means accepted, not yet cancelled. */
    readonly cancel: (brokerOrderId: BrokerOrderId) => Effect.Effect<void, BrokerError>

    /** What instruments cost now. One that the broker knows nothing of is not in the answer. */
    readonly quotes: (instruments: ReadonlySet<Instrument>) => Effect.Effect<ReadonlyArray<Quote>, BrokerLookupError>

    /**
     * Returns when the broker hints that some order has changed, so that the book is worth reading now. Hints may come
     * for nothing and may be lost; a broker without them never returns.
     */
    readonly changed: Effect.Effect<void>
  }
>()("pulse-background/Broker") {}
