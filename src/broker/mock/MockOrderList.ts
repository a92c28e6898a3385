import { BigDecimal, Context, DateTime, Effect, HashMap, Layer, Option, Order, Ref, Schema } from "effect"
import { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { instant } from "../../db/parameters.ts"
import { BrokerOrderId, Tag } from "../../domain/model/Ids.ts"
import { OrderParameters, Price } from "../../domain/model/Order.ts"

/**
 * A broker order as the simulated exchange stores it: the request, and what was decided when it arrived. It has no state;
 * `stateAt` derives it. Times are UTC, in whole milliseconds.
 */
export const SimulatedOrder = Schema.Struct({
  brokerOrderId: BrokerOrderId,
  tag: Tag,
  ...OrderParameters.fields,
  quantity: Schema.Int,
  placedAt: Schema.DateTimeUtcFromDate,
  /** Before this moment the order is not in any answer: a late arrival. */
  visibleAt: Schema.DateTimeUtcFromDate,
  opensAt: Schema.DateTimeUtcFromDate,
  /** When `fillQuantity` is filled, or the order is rejected. */
  finishesAt: Schema.DateTimeUtcFromDate,
  fillQuantity: Schema.Int,
  /** Null if and only if nothing will be filled. */
  fillPrice: Schema.NullOr(Price),
  /** Why it is rejected after its acknowledgement; null if it is not. */
  rejection: Schema.NullOr(Schema.String),
  cancelledAt: Schema.NullOr(Schema.DateTimeUtcFromDate)
})
export type SimulatedOrder = typeof SimulatedOrder.Type

/**
 * The simulated exchange's order list. `memory` lasts as long as its layer; `table` is the table `mock_broker_orders`, which is
 * shared by all replicas and survives restarts.
 */
export class MockOrderList extends Context.Service<
  MockOrderList,
  {
    /** Adds an order; returns false, without a change, if its id is taken. */
    readonly insert: (order: SimulatedOrder) => Effect.Effect<boolean, DbError>

    readonly get: (brokerOrderId: BrokerOrderId) => Effect.Effect<Option.Option<SimulatedOrder>, DbError>

    /** All orders with one of the tags, oldest first. */
    readonly findByTag: (tags: ReadonlySet<Tag>) => Effect.Effect<ReadonlyArray<SimulatedOrder>, DbError>

    /** All orders, oldest first. */
    readonly all: Effect.Effect<ReadonlyArray<SimulatedOrder>, DbError>

    /** Stores a cancel; returns false, without a change, if there is no such order or it already has one. */
    readonly cancel: (brokerOrderId: BrokerOrderId, at: DateTime.Utc) => Effect.Effect<boolean, DbError>
  }
>()("pulse-background/MockOrderList") {
  static readonly memory: Layer.Layer<MockOrderList> = Layer.effect(
    MockOrderList,
    Effect.suspend(() => makeMemory)
  )

  static readonly table: Layer.Layer<MockOrderList, never, Db> = Layer.effect(
    MockOrderList,
    Effect.suspend(() => makeTable)
  )
}

interface Memory {
  readonly orders: HashMap.HashMap<BrokerOrderId, SimulatedOrder>
  readonly idsByTag: HashMap.HashMap<Tag, ReadonlyArray<BrokerOrderId>>
}

const oldestFirst: Order.Order<SimulatedOrder> = Order.combine(
  Order.mapInput(DateTime.Order, (order) => order.placedAt),
  Order.mapInput(Order.String, (order) => order.brokerOrderId)
)

const makeMemory = Effect.gen(function* () {
  const memory = yield* Ref.make<Memory>({ orders: HashMap.empty(), idsByTag: HashMap.empty() })

  return MockOrderList.of({
    insert: (order) =>
      Ref.modify(memory, (before) => {
        if (HashMap.has(before.orders, order.brokerOrderId)) return [false, before]
        const ids = Option.getOrElse(HashMap.get(before.idsByTag, order.tag), () => [])
        return [
          true,
          {
            orders: HashMap.set(before.orders, order.brokerOrderId, order),
            idsByTag: HashMap.set(before.idsByTag, order.tag, [...ids, order.brokerOrderId])
          }
        ]
      }),

    get: (brokerOrderId) => Effect.map(Ref.get(memory), ({ orders }) => HashMap.get(orders, brokerOrderId)),

    findByTag: (tags) =>
      Effect.map(Ref.get(memory), ({ orders, idsByTag }) =>
        [...tags]
          .flatMap((tag) => Option.getOrElse(HashMap.get(idsByTag, tag), () => []))
          .flatMap((id) => Option.toArray(HashMap.get(orders, id)))
          .toSorted(oldestFirst)
      ),

    all: Effect.map(Ref.get(memory), ({ orders }) => [...HashMap.values(orders)].toSorted(oldestFirst)),

    cancel: (brokerOrderId, at) =>
      Ref.modify(memory, (before) => {
        const order = Option.getOrUndefined(HashMap.get(before.orders, brokerOrderId))
        if (order === undefined || order.cancelledAt !== null) return [false, before]
        return [true, { ...before, orders: HashMap.set(before.orders, brokerOrderId, { ...order, cancelledAt: at }) }]
      })
  })
})

const price = (value: Price | null): string | null => (value === null ? null : BigDecimal.format(value))

const makeTable = Effect.gen(function* () {
  const { sql, query, queryOption } = yield* Db
  const Id = Schema.Struct({ brokerOrderId: BrokerOrderId })
  const columns = sql.literal(`
    broker_order_id, tag, instrument, side, quantity, order_type, limit_price::text AS limit_price, product_type,
    validity, placed_at, visible_at, opens_at, settles_at AS finishes_at, fill_quantity, fill_price::text AS fill_price, rejection,
    cancelled_at`)

  return MockOrderList.of({
    insert: (order) =>
      queryOption(
        "MockOrderList.insert",
        Id,
        sql`
          INSERT INTO mock_broker_orders (
            broker_order_id, tag, instrument, side, quantity, order_type, limit_price, product_type, validity,
            placed_at, visible_at, opens_at, settles_at, fill_quantity, fill_price, rejection)
          VALUES (
            ${order.brokerOrderId}, ${order.tag}, ${order.instrument}, ${order.side}, ${order.quantity},
            ${order.orderType}, ${price(order.limitPrice)}::numeric, ${order.productType}, ${order.validity},
            ${instant(order.placedAt)}, ${instant(order.visibleAt)}, ${instant(order.opensAt)},
            ${instant(order.finishesAt)}, ${order.fillQuantity}, ${price(order.fillPrice)}::numeric, ${order.rejection})
          ON CONFLICT (broker_order_id) DO NOTHING
          RETURNING broker_order_id`
      ).pipe(Effect.map(Option.isSome)),

    get: (brokerOrderId) =>
      queryOption(
        "MockOrderList.get",
        SimulatedOrder,
        sql`SELECT ${columns} FROM mock_broker_orders WHERE broker_order_id = ${brokerOrderId}`
      ),

    findByTag: (tags) =>
      query(
        "MockOrderList.findByTag",
        SimulatedOrder,
        sql`
          SELECT ${columns} FROM mock_broker_orders WHERE tag = ANY(${[...tags]}::text[])
          ORDER BY placed_at, broker_order_id COLLATE "C"`
      ),

    all: query(
      "MockOrderList.all",
      SimulatedOrder,
      sql`SELECT ${columns} FROM mock_broker_orders ORDER BY placed_at, broker_order_id COLLATE "C"`
    ),

    cancel: (brokerOrderId, at) =>
      queryOption(
        "MockOrderList.cancel",
        Id,
        sql`
          UPDATE mock_broker_orders SET cancelled_at = ${instant(at)}
          WHERE broker_order_id = ${brokerOrderId} AND cancelled_at IS NULL
          RETURNING broker_order_id`
      ).pipe(Effect.map(Option.isSome))
  })
})
