import { Context, type DateTime, type Duration, type Effect } from "effect"
import type { BrokerError, BrokerLookupError } from "../domain/model/BrokerError.ts"
import type { Acknowledgement, FoundOrders, OrderListEntries } from "../domain/model/BrokerOrder.ts"
import type { BrokerOrderId, OrderId, SliceId, Tag } from "../domain/model/Ids.ts"
import type { Instrument, OrderParameters } from "../domain/model/Order.ts"
import type { Quote } from "../domain/model/Quote.ts"

/** One attempt to create a broker order for a slice. */
export interface Placement extends OrderParameters {
  readonly orderId: OrderId
  readonly sliceId: SliceId
  readonly tag: Tag
  /** Of the order, for log lines. */
  readonly requestId?: string | null
  readonly traceId?: string | null
  readonly quantity: number
  /** The exchange's id of the algorithm; none by default. */
  readonly algoId?: string | null
  /** The absolute time after which the request must not be sent. */
  readonly deadline: DateTime.Utc
  /** Since when it is due, in milliseconds since 1970, which decides whose turn it is when several wait; now, if it is not given. */
  readonly dueMillis?: number
}

/**
 * The one way to a broker: place, cancel, and look up by tag. Implementations are the layered mock (mock/MockBroker.ts) and
 * Zerodha (zerodha/ZerodhaBroker.ts); layers/BrokerLayer.ts wraps either in the guards that every placement passes.
 *
 * No implementation retries an order request. An answer that leaves the effect open is BrokerOutcomeUnknown, never a success
 * or a refusal, and a failed look-up is never "not found". Callers: the executor places, the monitor looks up and cancels,
 * the command `settle` reads the whole order list.
 */
export class Broker extends Context.Service<
  Broker,
  {
    readonly name: string

    /**
     * How long after the last moment at which a request may have been sent its order can still appear in the order list.
     * Until then "not in the list" does not mean "not placed".
     */
    readonly quarantine: Duration.Duration

    /**
     * Since when the order list is complete. The absence of an older order proves nothing: some brokers begin a new list
     * each day.
     */
    readonly orderListSince: (now: DateTime.Utc) => DateTime.Utc

    /** Whether {@link findByTag} also shows orders of ours that it is not asked for. */
    readonly listsAll: boolean

    /** Creates a broker order. Never retries by itself. */
    readonly place: (placement: Placement) => Effect.Effect<Acknowledgement, BrokerError>

    /**
     * Every broker order with one of the tags in any state, from the whole order list, in one call, and apart from them the
     * rows of these tags that cannot be read. A tag that is absent from both has no order in the list yet. Two orders with
     * one tag are both returned. A broker with one list for the account also returns every other order of it whose tag has the
     * form of ours.
     */
    readonly findByTag: (tags: ReadonlySet<Tag>) => Effect.Effect<FoundOrders, BrokerLookupError>

    /** All orders in the list, including those of other programs and people, and the rows that cannot be read. */
    readonly listAll: Effect.Effect<OrderListEntries, BrokerLookupError>

    /**
     * Asks the broker to cancel. Success means accepted, not yet cancelled. `isRepeated`: a cancel was sent for this order before,
     * so that others come first where the account's requests are few.
     */
    readonly cancel: (brokerOrderId: BrokerOrderId, isRepeated?: boolean) => Effect.Effect<void, BrokerError>

    /** Current quotes. An instrument that the broker does not know is absent from the answer. */
    readonly quotes: (instruments: ReadonlySet<Instrument>) => Effect.Effect<ReadonlyArray<Quote>, BrokerLookupError>

    /**
     * Returns when the broker hints that an order has changed, so that reading the order list is worthwhile. Hints may be
     * spurious or lost; for a broker without hints it never returns.
     */
    readonly changed: Effect.Effect<void>
  }
>()("pulse-background/Broker") {}
