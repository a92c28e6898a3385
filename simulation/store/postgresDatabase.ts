import { BigDecimal, Context, Effect, Layer, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import type { DbError } from "../../src/db/DbError.ts"
import { UntrustedOrder } from "../../src/domain/lifecycle/validateOrder.ts"
import { OrderId, SliceId, Tag } from "../../src/domain/model/Ids.ts"
import { OrderParameters, OrderQueueStatus } from "../../src/domain/model/Order.ts"
import { ClaimVersion, Stage } from "../../src/domain/model/OrderSlice.ts"
import { InstrumentStore } from "../../src/stores/account/InstrumentStore.ts"
import { QuoteStore } from "../../src/stores/account/QuoteStore.ts"
import { SettlementStore } from "../../src/stores/account/SettlementStore.ts"
import { HaltStore } from "../../src/stores/operations/HaltStore.ts"
import { HeartbeatStore } from "../../src/stores/operations/HeartbeatStore.ts"
import { HistoryStore } from "../../src/stores/operations/HistoryStore.ts"
import { LookoutStore } from "../../src/stores/operations/LookoutStore.ts"
import { OrderCommands } from "../../src/stores/orders/OrderCommands.ts"
import { OrderStore } from "../../src/stores/orders/OrderStore.ts"
import { ReplanStore } from "../../src/stores/orders/ReplanStore.ts"
import { RecoveryStore } from "../../src/stores/slices/RecoveryStore.ts"
import { SliceStore } from "../../src/stores/slices/SliceStore.ts"
import { orderColumns } from "../../src/stores/sql/orderColumns.ts"
import { StoresLayer } from "../../src/stores/StoresLayer.ts"
import { type Database, readOnlyOperations, type Stores, type SubmittedOrder } from "./Database.ts"
import type { Tables } from "./rows.ts"

const Millis = Schema.NullOr(Schema.Number)
const Text = Schema.NullOr(Schema.String)

const OrderRow = Schema.Struct({
  ...UntrustedOrder.fields,
  createdAt: Schema.Number,
  requestId: Text,
  originTraceId: Text,
  orderQueueStatus: OrderQueueStatus,
  statusReason: Text,
  reasonCode: Text,
  claimVersion: Schema.Int,
  claimedBy: Text,
  claimedAt: Millis,
  splitAttempts: Schema.Int,
  splitAt: Millis,
  cancelRequestedAt: Millis,
  heldAt: Millis,
  holdReason: Text,
  holdReasonCode: Text,
  resumedAt: Millis,
  settledAt: Millis
})

const SliceRow = Schema.Struct({
  ...OrderParameters.fields,
  id: SliceId,
  orderId: OrderId,
  sequenceNumber: Schema.Int,
  tag: Tag,
  quantity: Schema.Int,
  requestId: Text,
  traceId: Text,
  market: Text,
  scheduledAt: Schema.Number,
  notBefore: Schema.Number,
  notAfter: Schema.Number,
  staleAt: Millis,
  stage: Stage,
  stageReason: Text,
  reasonCode: Text,
  claimVersion: ClaimVersion,
  claimedBy: Text,
  claimedAt: Millis,
  leaseExpiresAt: Millis,
  attempts: Schema.Int,
  outcomeUnknownAt: Millis,
  inDoubtAt: Millis,
  leftBookAt: Millis,
  placedAt: Millis,
  acknowledgedAt: Millis,
  brokerOrderId: Text,
  brokerStatus: Text,
  brokerStatusText: Text,
  brokerIsFinal: Schema.Boolean,
  filledQuantity: Schema.Int,
  averagePrice: Schema.NullOr(Schema.BigDecimalFromString),
  cancelSentAt: Millis,
  isHeld: Schema.Boolean,
  replacedBy: Schema.NullOr(Schema.Int),
  carriedQuantity: Schema.Int,
  isWaived: Schema.Boolean
})

const EventRow = Schema.Struct({
  id: Schema.String,
  call: Schema.String,
  outcome: Schema.String,
  orderId: Text,
  sliceId: Text,
  attempt: Schema.NullOr(Schema.Int),
  brokerOrderId: Text,
  worker: Schema.String
})

/** The SQL of columns of times, as milliseconds since 1970. */
const millis = (...columns: ReadonlyArray<string>): string =>
  columns.map((column) => `(extract(epoch FROM ${column}) * 1000)::float8 AS ${column}`).join(", ")

const byId = <A extends { readonly id: string }>(rows: ReadonlyArray<A>): ReadonlyMap<string, A> =>
  new Map(rows.map((row) => [row.id, row]))

/** The service's real statements on a real PostgreSQL, one after the other. It empties the database first. */
export const postgresDatabase: Effect.Effect<Database, DbError, Db> = Effect.gen(function* () {
  const db = yield* Db
  yield* empty
  const built = yield* Layer.build(Layer.fresh(StoresLayer))
  const stores: Stores = {
    orders: Context.get(built, OrderStore),
    slices: Context.get(built, SliceStore),
    recovery: Context.get(built, RecoveryStore),
    settlement: Context.get(built, SettlementStore),
    replans: Context.get(built, ReplanStore),
    halts: Context.get(built, HaltStore),
    heartbeats: Context.get(built, HeartbeatStore),
    lookout: Context.get(built, LookoutStore),
    history: Context.get(built, HistoryStore),
    commands: Context.get(built, OrderCommands),
    quotes: Context.get(built, QuoteStore),
    instruments: Context.get(built, InstrumentStore)
  }
  let tables: Tables = {
    orders: new Map(),
    slices: new Map(),
    events: new Map(),
    differences: new Map(),
    halts: [],
    isHistorySettled: true
  }
  const readAll = Effect.provideService(readTables, Db, db)
  const database: Database = {
    stores,
    insertOrder: (order) => Effect.provideService(insertOrder(order), Db, db),
    run: async (operation, statement) => {
      const exit = await Effect.runPromiseExit(statement)
      if (!readOnlyOperations.has(operation) || operation === "SliceStore.audit")
        tables = await Effect.runPromise(readAll)
      return exit
    },
    tables: () => tables,
    standby: null
  }
  return database
}).pipe(Effect.scoped)

const emptied = [
  "slice_queue",
  "slice_working",
  "slice_results",
  "slice_plan",
  "slice_claims",
  "broker_calls",
  "order_plans",
  "orders",
  "workers",
  "double_placements",
  "broker_differences"
]

const empty = Effect.gen(function* () {
  const { sql, transaction } = yield* Db
  // The audit refuses to be emptied.
  yield* transaction(
    "simulation.empty",
    Effect.gen(function* () {
      yield* sql`SET LOCAL session_replication_role = replica`
      for (const table of emptied) yield* sql`DELETE FROM ${sql.literal(table)}`
      yield* sql`TRUNCATE placement_halts RESTART IDENTITY`
    }).pipe(Effect.orDie)
  )
})

const insertOrder = (order: SubmittedOrder) =>
  Effect.gen(function* () {
    const { sql, execute } = yield* Db
    yield* execute(
      "simulation.insertOrder",
      sql`
        INSERT INTO orders (id, instrument, side, total_quantity, num_splits, duration_minutes, randomize, order_unique_key,
          order_type, limit_price, product_type, validity, lateness_policy, max_lateness_seconds,
          cancel_unfilled_after_seconds, carry_unfilled, carry_rejected, completion, created_at)
        VALUES (${order.id}, ${order.instrument}, ${order.side}, ${order.totalQuantity}, ${order.numSplits},
          ${order.durationMinutes}, ${order.randomize}, ${order.id}, ${order.orderType},
          ${order.limitPrice === null ? null : BigDecimal.format(order.limitPrice)}::numeric, ${order.productType},
          ${order.validity}, ${order.latenessPolicy}, ${order.maxLatenessSeconds}::int,
          ${order.cancelUnfilledAfterSeconds}::int, ${order.carryUnfilled}, ${order.carryRejected}, ${order.completion},
          timestamptz '1970-01-01Z' + ${Math.round(order.createdAt * 1000)}::float8::bigint * interval '1 microsecond')`
    )
  })

const readTables: Effect.Effect<Tables, DbError, Db> = Effect.gen(function* () {
  const { sql, query } = yield* Db
  const orders = yield* query(
    "simulation.orders",
    OrderRow,
    sql`
      SELECT ${sql.literal(orderColumns)}, o.request_id, o.origin_trace_id, o.order_queue_status, o.status_reason,
        o.reason_code, o.hold_reason_code,
        o.claim_version, o.claimed_by, o.split_attempts, o.hold_reason,
        ${sql.literal(millis("created_at", "claimed_at", "split_at", "cancel_requested_at", "held_at", "resumed_at", "settled_at"))}
      FROM orders o ORDER BY id`
  )
  const slices = yield* query(
    "simulation.slices",
    SliceRow,
    sql`
      SELECT id, order_id, sequence_number, tag, instrument, side, quantity, order_type, limit_price::text AS limit_price,
        product_type, validity, request_id, trace_id, market, stage, stage_reason, reason_code, claim_version, claimed_by, attempts,
        broker_order_id, broker_status, broker_status_text, broker_is_final, filled_quantity,
        average_price::text AS average_price, is_held, replaced_by, carried_quantity, is_waived,
        ${sql.literal(
          millis(
            "scheduled_at",
            "not_before",
            "not_after",
            "stale_at",
            "claimed_at",
            "lease_expires_at",
            "outcome_unknown_at",
            "in_doubt_at",
            "left_book_at",
            "placed_at",
            "acknowledged_at",
            "cancel_sent_at"
          )
        )}
      FROM order_slices ORDER BY order_id, sequence_number`
  )
  const events = yield* query(
    "simulation.events",
    EventRow,
    sql`SELECT id, call, outcome, order_id, slice_id, attempt, broker_order_id, worker FROM broker_events ORDER BY called_at, id`
  )
  const misplaced = yield* sql`SELECT slice FROM slice_places`.pipe(Effect.orDie)
  if (misplaced.length > 0) return yield* Effect.die(`${misplaced.length} slices are not in exactly one table`)
  const differences = yield* query(
    "simulation.differences",
    Schema.Struct({ id: Schema.String }),
    sql`SELECT tag || ' ' || kind AS id FROM broker_differences`
  )
  return {
    orders: byId(orders),
    slices: byId(slices),
    events: byId(events),
    differences: byId(differences),
    halts: [],
    isHistorySettled: true
  }
})
