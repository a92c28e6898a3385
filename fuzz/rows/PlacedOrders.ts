import { BigDecimal, DateTime, Effect, Layer, Option } from "effect"
import type { Broker } from "../../src/broker/Broker.ts"
import { configuredGuards, type BrokerLayer } from "../../src/broker/layers/BrokerLayer.ts"
import { mockBrokerOnOrderList } from "../../src/broker/mock/MockBroker.ts"
import { MockOrderList, type SimulatedOrder } from "../../src/broker/mock/MockOrderList.ts"
import { Configuration } from "../../src/config/Configuration.ts"

/** An order as the mock broker has it; `placed` in milliseconds since 1970. */
export interface Placed {
  readonly tag: string
  readonly instrument: string
  readonly side: string
  readonly quantity: number
  readonly orderType: string
  readonly limitPrice: string | null
  readonly placed: number
  /** What is filled or may still be: less than `quantity` if it was cancelled. */
  readonly exposed: number
}

/** The mock broker's order list in memory, which the fuzzer reads, and whose orders it forgets when it has judged them. */
export class PlacedOrders {
  private readonly byId = new Map<string, SimulatedOrder>()

  /** The service's mock broker, with all guards around it, on this list. */
  readonly broker: typeof BrokerLayer

  constructor() {
    const orders = this.byId
    const list = MockOrderList.of({
      insert: (order) =>
        Effect.sync(() => {
          const isNew = !orders.has(order.brokerOrderId)
          if (isNew) orders.set(order.brokerOrderId, order)
          return isNew
        }),
      get: (id) => Effect.sync(() => Option.fromNullishOr(orders.get(id))),
      findByTag: (tags) => Effect.sync(() => [...orders.values()].filter(({ tag }) => tags.has(tag))),
      all: Effect.sync(() => [...orders.values()]),
      cancel: (id, at) =>
        Effect.sync(() => {
          const order = orders.get(id)
          if (order === undefined || order.cancelledAt !== null) return false
          orders.set(id, { ...order, cancelledAt: at })
          return true
        })
    })
    this.broker = Layer.unwrap(
      Effect.map(Configuration, (config) =>
        configuredGuards(config).reduce(
          (below: typeof BrokerLayer, guard) => guard.pipe(Layer.provide(below)),
          mockBrokerOnOrderList.pipe(Layer.provide(Layer.succeed(MockOrderList, list))) satisfies Layer.Layer<
            Broker,
            never,
            Configuration
          >
        )
      )
    )
  }

  /** All orders with one of the tags. */
  of(tags: ReadonlySet<string>): ReadonlyArray<Placed> {
    return [...this.byId.values()]
      .filter(({ tag }) => tags.has(tag))
      .map((order) => ({
        tag: order.tag,
        instrument: order.instrument,
        side: order.side,
        quantity: order.quantity,
        orderType: order.orderType,
        limitPrice: order.limitPrice === null ? null : BigDecimal.format(order.limitPrice),
        exposed: order.cancelledAt === null ? order.quantity : order.fillQuantity,
        placed: DateTime.toEpochMillis(order.placedAt)
      }))
  }

  tags(): ReadonlySet<string> {
    return new Set([...this.byId.values()].map(({ tag }) => tag))
  }

  forget(tags: ReadonlySet<string>): void {
    for (const [id, { tag }] of this.byId) if (tags.has(tag)) this.byId.delete(id)
  }
}
