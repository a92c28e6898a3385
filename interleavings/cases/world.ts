import { DateTime, Duration, Effect, Result, Schema } from "effect"
import { Configuration, planningRules } from "../../src/config/Configuration.ts"
import { Db } from "../../src/db/Db.ts"
import { instant } from "../../src/db/parameters.ts"
import { forEachVenue, type PerVenue } from "../../src/domain/market/Venue.ts"
import { BrokerOrderId, OrderId, SliceId } from "../../src/domain/model/Ids.ts"
import { type ClaimedSlice, Stage } from "../../src/domain/model/OrderSlice.ts"
import { unknownInstrument } from "../../src/domain/planning/planOrder.ts"
import type { ClaimedOrder } from "../../src/stores/orders/claimPending.ts"
import { OrderStore, type SplitOrder } from "../../src/stores/orders/OrderStore.ts"
import type { Asked } from "../../src/stores/sql/insertActions.ts"
import { planSplit } from "../../src/workers/splitter/planSplit.ts"

/*
 * What the worlds of the cases are built of: orders and what the workers make of them, at moments of a clock that stands
 * still. The order `o1` of 100 units has five slices of 20, due at 0, 15, 30, 45 and 60 seconds.
 */

const start = DateTime.makeUnsafe("2026-01-05T05:00:00Z")

/** The moment that many seconds after the orders' start. */
export const at = (seconds: number): DateTime.Utc => DateTime.addDuration(start, Duration.seconds(seconds))

/** When all five slices are due. */
export const allDue = 60

/** When the window of an order, with its grace, is over. */
export const afterWindow = 3600

export const asked: Asked = { by: "tester", reason: "a reason" }

/** The days that a calendar knows with which the orders of {@link waitForDays} can be planned. */
export const moreDays: PerVenue<string> = forEachVenue(() => "2026-12-31")

export const windowGrace = Duration.minutes(10)

export const leaseSeconds = 120

/** Inserts an order as another service does. */
export const submit = (id: string, changed: Readonly<Record<string, unknown>> = {}) =>
  Effect.flatMap(Db, ({ sql, execute }) =>
    execute(
      "interleavings.submit",
      sql`INSERT INTO orders ${sql.insert({
        id,
        instrument: "NSE:RELIANCE",
        side: "BUY",
        total_quantity: 100,
        num_splits: 5,
        duration_minutes: 1,
        randomize: false,
        order_unique_key: `key-${id}`,
        order_queue_status: "PENDING",
        origin_trace_id: "trace",
        origin_trace_source: "test",
        origin_request_id: "request",
        origin_request_source: "test",
        request_id: "request",
        created_at: instant(start),
        updated_at: instant(start),
        ...changed
      })}`
    )
  )

export const claimOrders = (owner: string, seconds = 0, limit = 10, knownUntil: PerVenue<string> | null = null) =>
  Effect.flatMap(OrderStore, (orders) =>
    orders.claimPending({ now: at(seconds), owner, limit, windowGrace, knownUntil })
  )

/** Marks all PENDING orders as waiting for days of a market. */
export const waitForDays = Effect.flatMap(Db, ({ sql, execute }) =>
  execute(
    "interleavings.waitForDays",
    sql`UPDATE orders SET calendar_market = 'EQUITY', calendar_until = '2025-12-31' WHERE order_queue_status = 'PENDING'`
  )
)

/** The splits of claimed orders, planned. */
export const planned = (claimed: ReadonlyArray<ClaimedOrder>, seconds = 0) =>
  Effect.map(Configuration, (config): ReadonlyArray<SplitOrder> =>
    claimed
      .filter(({ orderQueueStatus }) => orderQueueStatus === "IN_PROGRESS")
      .map((order) => Result.getOrThrow(planSplit(order, planningRules(config, null), unknownInstrument, at(seconds))))
  )

export const completeSplits = (splits: ReadonlyArray<SplitOrder>, seconds = 0) =>
  Effect.flatMap(OrderStore, (orders) => orders.completeSplits(splits, { now: at(seconds), windowGrace }))

/** Splits all PENDING orders. */
export const splitAll = Effect.gen(function* () {
  yield* completeSplits(yield* planned(yield* claimOrders("splitter")))
})

/** An order, split. */
export const splitOrder = (id = "o1", changed: Readonly<Record<string, unknown>> = {}) =>
  Effect.andThen(submit(id, changed), splitAll)

const SliceState = Schema.Struct({
  id: SliceId,
  orderId: OrderId,
  sequenceNumber: Schema.Int,
  stage: Stage,
  claimVersion: Schema.Int,
  claimedBy: Schema.NullOr(Schema.String),
  isHeld: Schema.Boolean,
  brokerOrderId: Schema.NullOr(BrokerOrderId),
  brokerIsFinal: Schema.Boolean,
  filledQuantity: Schema.Int,
  carriedQuantity: Schema.Int
})
export type SliceState = typeof SliceState.Type

/** All slices as they are now, by order and number. */
export const sliceStates = Effect.flatMap(Db, ({ sql, query }) =>
  query(
    "interleavings.slices",
    SliceState,
    sql`
      SELECT id, order_id, sequence_number, stage, claim_version, claimed_by, is_held, broker_order_id, broker_is_final,
        filled_quantity, carried_quantity
      FROM order_slices ORDER BY order_id, sequence_number`
  )
)

const OrderState = Schema.Struct({
  id: OrderId,
  orderQueueStatus: Schema.String,
  isHeld: Schema.Boolean,
  isCancelled: Schema.Boolean,
  isFinished: Schema.Boolean
})

/** All orders as they are now. */
export const orderStates = Effect.flatMap(Db, ({ sql, query }) =>
  query(
    "interleavings.orders",
    OrderState,
    sql`
      SELECT id, order_queue_status, hold_reason IS NOT NULL AS is_held, cancel_requested_at IS NOT NULL AS is_cancelled,
        settled_at IS NOT NULL AS is_finished
      FROM orders ORDER BY id`
  )
)

const Count = Schema.Struct({ count: Schema.Int })

/** How often operators' actions of this name are recorded. */
export const actionsRecorded = (action: string) =>
  Effect.flatMap(Db, ({ sql, queryOne }) =>
    queryOne(
      "interleavings.actions",
      Count,
      sql`SELECT count(*)::int AS count FROM operator_actions WHERE action = ${action}`
    )
  ).pipe(Effect.map(({ count }) => count))

/** How many broker calls the audit has. */
export const callsAudited = Effect.flatMap(Db, ({ sql, queryOne }) =>
  queryOne("interleavings.calls", Count, sql`SELECT count(*)::int AS count FROM broker_events`)
).pipe(Effect.map(({ count }) => count))

/** The seeds of a case that none is known to be special for. */
export const firstSeeds: ReadonlyArray<number> = [1, 2, 3]

/** The problems of a condition: its words, unless it holds. */
export const unless = (holds: boolean, problem: string): ReadonlyArray<string> => (holds ? [] : [problem])

/** The claims that more than one of the claimers got. */
export const claimedTwice = (...claims: ReadonlyArray<ReadonlyArray<ClaimedSlice> | null>): ReadonlyArray<string> => {
  const ids = claims.flatMap((claimed) => (claimed ?? []).map(({ id }) => id))
  return ids.filter((id, index) => ids.indexOf(id) !== index).map((id) => `slice ${id} was claimed twice`)
}
