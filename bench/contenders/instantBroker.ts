import { BigDecimal, Duration, Effect, Layer } from "effect"
import { Broker } from "../../src/broker/Broker.ts"
import { configuredGuards } from "../../src/broker/layers/BrokerLayer.ts"
import { orderListSince } from "../../src/broker/orderListSince.ts"
import type { PlacementGate } from "../../src/broker/PlacementGate.ts"
import { Configuration } from "../../src/config/Configuration.ts"
import type { BrokerOrder } from "../../src/domain/model/BrokerOrder.ts"
import { BrokerOrderId, type SliceId, type Tag } from "../../src/domain/model/Ids.ts"
import type { OrderList } from "./Contender.ts"
import { quantity } from "./pulseRows.ts"

interface InstantBroker {
  readonly onPlace: (id: SliceId, tag: Tag) => void
  /** Answers for all worker processes, if there is one; else nothing is looked up before `isFilled`. */
  readonly orderList: OrderList | undefined
  /** Whether the broker shows every order as filled. */
  readonly isFilled: () => boolean
}

const price = BigDecimal.fromStringUnsafe("1500.25")

const orderOf = (tag: Tag): BrokerOrder => ({
  brokerOrderId: BrokerOrderId.make(`bench-${tag}`),
  tag,
  status: "COMPLETE",
  statusText: "COMPLETE",
  quantity,
  filledQuantity: quantity,
  averagePrice: price
})

/** A broker that acknowledges at once, below all guards of the service. */
export const instantBroker = ({ onPlace, orderList, isFilled }: InstantBroker) => {
  const placedOf = (tags: ReadonlySet<Tag>) =>
    Effect.promise(async () => {
      if (orderList === undefined) return isFilled() ? [...tags] : []
      const placed = new Set(await orderList([...tags]))
      return [...tags].filter((tag) => placed.has(tag))
    })
  const bottom = Layer.succeed(
    Broker,
    Broker.of({
      name: "mock",
      // Without a list of its own it shows nothing until all is filled, which must not count as missing.
      quarantine: orderList === undefined ? Duration.hours(1) : Duration.seconds(1),
      listsAll: false,
      orderListSince: orderListSince.mock,
      place: ({ sliceId, tag }) =>
        Effect.sync(() => {
          onPlace(sliceId, tag)
          return { brokerOrderId: BrokerOrderId.make(`bench-${tag}`) }
        }),
      findByTag: (tags) => Effect.map(placedOf(tags), (placed) => ({ orders: placed.map(orderOf), unreadable: [] })),
      listAll: Effect.succeed({ entries: [], unreadable: [] }),
      cancel: () => Effect.void,
      quotes: () => Effect.succeed([]),
      changed: Effect.sleep("100 millis").pipe(Effect.repeat({ until: isFilled }), Effect.asVoid)
    })
  )
  return Layer.unwrap(
    Effect.map(Configuration, (config) =>
      configuredGuards(config).reduce(
        (below: Layer.Layer<Broker, never, PlacementGate>, wrapper) => wrapper.pipe(Layer.provide(below)),
        bottom
      )
    )
  )
}
