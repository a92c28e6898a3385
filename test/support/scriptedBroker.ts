import { BigDecimal, Clock, Context, DateTime, Duration, Effect, Layer } from "effect"
import { Broker, type Placement } from "../../src/broker/Broker.ts"
import { type BrokerError, type BrokerLookupError, BrokerOutcomeUnknown } from "../../src/domain/model/BrokerError.ts"
import {
  type Acknowledgement,
  asBelieved,
  type BrokerOrder,
  type FoundOrders
} from "../../src/domain/model/BrokerOrder.ts"
import { BrokerOrderId, type Tag } from "../../src/domain/model/Ids.ts"
import type { Instrument } from "../../src/domain/model/Order.ts"
import type { Quote } from "../../src/domain/model/Quote.ts"

/** A call to `place` as the broker saw it. */
export interface PlaceCall {
  readonly atMillis: number
  readonly placement: Placement
}

/** The calls that a test's broker received, and its answers. By default it accepts everything, and orders stay OPEN. */
export interface Script {
  readonly placed: Array<PlaceCall>
  readonly cancelled: Array<BrokerOrderId>
  readonly orderList: Array<BrokerOrder>
  orderListSince: DateTime.Utc
  /** Whether a look-up also shows the orders that it does not ask for. */
  listsAll: boolean
  onPlace: (placement: Placement) => Effect.Effect<Acknowledgement, BrokerError>
  onFind: (tags: ReadonlySet<Tag>) => Effect.Effect<FoundOrders, BrokerLookupError>
  onQuotes: (instruments: ReadonlySet<Instrument>) => Effect.Effect<ReadonlyArray<Quote>, BrokerLookupError>
  onCancel: (brokerOrderId: BrokerOrderId) => Effect.Effect<void, BrokerError>
}

export class BrokerScript extends Context.Service<BrokerScript, Script>()("test/BrokerScript") {}

export const openOrder = (tag: Tag, number: number): BrokerOrder => ({
  brokerOrderId: BrokerOrderId.make(`b${number}`),
  tag,
  status: "OPEN",
  statusText: "OPEN",
  quantity: null,
  filledQuantity: 0,
  averagePrice: null
})

export const completed = (order: BrokerOrder, quantity: number): BrokerOrder => ({
  ...order,
  status: "COMPLETE",
  statusText: "COMPLETE",
  filledQuantity: quantity,
  averagePrice: BigDecimal.fromStringUnsafe("101.25")
})

/** The broker accepts the order, but its answer is lost. */
export const acceptAndLoseAnswer = (script: Script) => (placement: Placement) =>
  Effect.suspend(() => {
    script.orderList.push(openOrder(placement.tag, script.orderList.length + 1))
    return Effect.fail(new BrokerOutcomeUnknown({ code: "timeout", message: "no answer" }))
  })

/** A broker that answers as the test's script says and records every call. Quarantine: 60 s. */
export const scriptedBroker: Layer.Layer<Broker | BrokerScript> = Layer.effectContext(
  Effect.sync(() => {
    const script: Script = {
      placed: [],
      cancelled: [],
      orderList: [],
      orderListSince: DateTime.makeUnsafe(0),
      listsAll: false,
      onPlace: (placement) =>
        Effect.sync(() => {
          const order = openOrder(placement.tag, script.orderList.length + 1)
          script.orderList.push(order)
          return { brokerOrderId: order.brokerOrderId }
        }),
      onFind: (tags) =>
        Effect.sync(() => ({
          orders: script.orderList.filter((order) => script.listsAll || tags.has(order.tag)).map(asBelieved),
          unreadable: []
        })),
      onQuotes: () => Effect.succeed([]),
      onCancel: () => Effect.void
    }
    const broker = Broker.of({
      name: "scripted",
      quarantine: Duration.seconds(60),
      orderListSince: () => script.orderListSince,
      get listsAll() {
        return script.listsAll
      },
      place: (placement) =>
        Effect.flatMap(Clock.currentTimeMillis, (atMillis) => {
          script.placed.push({ atMillis, placement })
          return script.onPlace(placement)
        }),
      findByTag: (tags) => Effect.suspend(() => script.onFind(tags)),
      listAll: Effect.sync(() => ({
        entries: script.orderList.map(({ brokerOrderId, tag }) => ({ brokerOrderId, tags: [tag] })),
        unreadable: []
      })),
      quotes: (instruments) => Effect.suspend(() => script.onQuotes(instruments)),
      cancel: (id) =>
        Effect.suspend(() => {
          script.cancelled.push(id)
          return script.onCancel(id)
        }),
      changed: Effect.never
    })
    return Context.make(Broker, broker).pipe(Context.add(BrokerScript, script))
  })
)
