import { DateTime, Duration, Effect, Layer, Option, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import type { Broker } from "../../src/broker/Broker.ts"
import { PlacementGate } from "../../src/broker/PlacementGate.ts"
import { DatabaseClock } from "../../src/clock/DatabaseClock.ts"
import { TradingHours } from "../../src/config/TradingHours.ts"
import { Db } from "../../src/db/Db.ts"
import { instant } from "../../src/db/parameters.ts"
import { Wakeups } from "../../src/db/Wakeups.ts"
import { BrokerStatus } from "../../src/domain/model/BrokerOrder.ts"
import { Stage } from "../../src/domain/model/OrderSlice.ts"
import { Instance } from "../../src/runtime/Instance.ts"
import { nowMillis } from "../../src/runtime/nowMillis.ts"
import type { Asked } from "../../src/stores/sql/insertActions.ts"
import { StoresLayer } from "../../src/stores/StoresLayer.ts"
import { WorkerStatus } from "../../src/workers/supervision/WorkerStatus.ts"
import { configuration, testDatabase } from "./database.ts"

/** The operator of the tests, with a reason. */
export const asked: Asked = { by: "tester", reason: "a reason" }

/** A database clock that needs no measurement: it is the Clock that the test provides. */
export const exactClock = DatabaseClock.of({
  offsetMillis: Effect.succeed(0),
  waitForOffset: Effect.void,
  reliableMillis: Effect.succeed(null),
  sleepUntil: (dueMillis) => Effect.flatMap(nowMillis, (now) => Effect.sleep(Math.max(0, dueMillis - now))),
  doubts: Stream.concat(Stream.succeed(null), Stream.never),
  during: (statement) => statement(false)
})

export const measuredClock = Layer.succeed(DatabaseClock, exactClock)

/** A worker status that ignores all reports. */
export const quietStatus = Layer.mock(WorkerStatus)({
  succeeded: () => Effect.void,
  failed: () => Effect.void,
  blocked: () => Effect.void
})

/** Wake-ups that never come. */
export const noWakeups = Layer.mock(Wakeups)({ next: () => Effect.never })

/** The stores on a fresh database, the configuration, and a broker: all that one pass of a worker needs. */
export const serviceLayer = <A>(options: {
  readonly broker: Layer.Layer<Broker | A>
  readonly environment?: Readonly<Record<string, string>>
}) =>
  Layer.mergeAll(
    StoresLayer,
    PlacementGate.layer,
    TradingHours.layer,
    Instance.layer,
    measuredClock,
    quietStatus,
    noWakeups
  ).pipe(
    Layer.provideMerge(options.broker),
    Layer.provideMerge(testDatabase),
    Layer.provideMerge(configuration(options.environment))
  )

/** The start of TestClock. With a later start the connection pool would live through all the time before it. */
export const start = DateTime.makeUnsafe(0)

/** Sets the TestClock to a moment after {@link start}. */
export const setClock = (after: Duration.Input = 0) =>
  TestClock.setTime(DateTime.toEpochMillis(start) + Duration.toMillis(Duration.fromInputUnsafe(after)))

/** The columns that pulse-api writes, with valid values, changed where the test says so. */
export const contractRow = (id: string, changed: Readonly<Record<string, unknown>> = {}) => ({
  id,
  instrument: "NSE:RELIANCE",
  side: "BUY",
  total_quantity: 100,
  num_splits: 5,
  duration_minutes: 1,
  randomize: false,
  order_unique_key: `key-${id}`,
  order_queue_status: "PENDING",
  origin_trace_id: "t1735228800a1b2c3d4e5f6",
  origin_trace_source: "pulse-api",
  origin_request_id: "r1735228800a1b2c3d4e5f6",
  origin_request_source: "pulse-api",
  request_id: "r1735228800a1b2c3d4e5f6",
  ...changed
})

/** INSERTs an order as pulse-api would, created at {@link start}. */
export const insertOrder = (id: string, changed: Readonly<Record<string, unknown>> = {}) =>
  Effect.gen(function* () {
    const db = yield* Db
    yield* db.execute(
      "test.insertOrder",
      db.sql`INSERT INTO orders ${db.sql.insert(contractRow(id, { created_at: instant(start), ...changed }))}`
    )
  })

const OrderRow = Schema.Struct({
  orderQueueStatus: Schema.String,
  statusReason: Schema.NullOr(Schema.String),
  splitAttempts: Schema.Int,
  claimVersion: Schema.Int
})

export const orderRow = (id: string) =>
  Effect.gen(function* () {
    const db = yield* Db
    const [row] = yield* db.query(
      "test.orderRow",
      OrderRow,
      db.sql`SELECT order_queue_status, status_reason, split_attempts, claim_version FROM orders WHERE id = ${id}`
    )
    return yield* Effect.fromOption(Option.fromNullishOr(row))
  })

const SliceRow = Schema.Struct({
  id: Schema.String,
  orderId: Schema.String,
  sequenceNumber: Schema.Int,
  tag: Schema.String,
  quantity: Schema.Int,
  stage: Stage,
  stageReason: Schema.NullOr(Schema.String),
  claimVersion: Schema.Int,
  claimedBy: Schema.NullOr(Schema.String),
  attempts: Schema.Int,
  isUnknown: Schema.Boolean,
  dueMillis: Schema.Number,
  latenessMillis: Schema.NullOr(Schema.Number),
  brokerOrderId: Schema.NullOr(Schema.String),
  brokerStatus: Schema.NullOr(BrokerStatus),
  filledQuantity: Schema.Int
})

/** All slices, or an order's, in order. `dueMillis` counts from {@link start}. */
export const sliceRows = (orderId?: string) =>
  Effect.gen(function* () {
    const db = yield* Db
    return yield* db.query(
      "test.sliceRows",
      SliceRow,
      db.sql`
        SELECT id, order_id, sequence_number, tag, quantity, stage, stage_reason, claim_version, claimed_by, attempts,
          outcome_unknown_at IS NOT NULL AS is_unknown,
          (extract(epoch FROM scheduled_at - ${instant(start)}::timestamptz) * 1000)::float8 AS due_millis,
          (extract(epoch FROM placed_at - scheduled_at) * 1000)::float8 AS lateness_millis,
          broker_order_id, broker_status, filled_quantity
        FROM order_slices WHERE ${orderId ?? null}::text IS NULL OR order_id = ${orderId ?? null}
        ORDER BY order_id, sequence_number`
    )
  })
