import { Context, type DateTime, type Duration, type Effect } from "effect"
import type { BrokerError, BrokerLookupError } from "../domain/model/BrokerError.ts"
import type { Acknowledgement, BrokerOrder, OrderListEntry } from "../domain/model/BrokerOrder.ts"
import type { BrokerOrderId, SliceId, Tag } from "../domain/model/Ids.ts"
import type { Instrument, OrderParameters } from "../domain/model/Order.ts"
import type { Quote } from "../domain/model/Quote.ts"

/** One attempt to create a broker order for a slice. */
export interface Placement extends OrderParameters {
  readonly sliceId: SliceId
  readonly tag: Tag
  readonly quantity: number
  /** An absolute time after which the request must not be sent any more. */
  readonly deadline: DateTime.Utc
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
    readonly orderListSince: (now: DateTime.Utc) => DateTime.Utc

    /** Creates a broker order. Never retries by itself. */
    readonly place: (placement: Placement) => Effect.Effect<Acknowledgement, BrokerError>

    /**
     * Every broker order that carries one of the tags, whatever its state: from the whole book, not the open orders, in
     * one call. An absent tag has no order in the book yet. Two orders with one tag are both returned.
     */
    readonly findByTag: (tags: ReadonlySet<Tag>) => Effect.Effect<ReadonlyArray<BrokerOrder>, BrokerLookupError>

    /** Everything in the book, our own and what others have placed. */
    readonly listAll: Effect.Effect<ReadonlyArray<OrderListEntry>, BrokerLookupError>

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
