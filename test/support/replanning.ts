import { BigDecimal, DateTime, Deferred, Duration, Effect, Fiber, Result, Schema } from "effect"
import type { Statement } from "effect/sql/Statement"
import { Configuration, planningRules } from "../../src/config/Configuration.ts"
import { Db } from "../../src/db/Db.ts"
import { afterTrading } from "../../src/domain/market/TradingTime.ts"
import type { BrokerOrder } from "../../src/domain/model/BrokerOrder.ts"
import type { ClaimedSlice, NextStage } from "../../src/domain/model/OrderSlice.ts"
import { unknownInstrument } from "../../src/domain/planning/planOrder.ts"
import { type Amendment, amend } from "../../src/domain/planning/replan/amend.ts"
import { explainSchedule } from "../../src/domain/planning/schedule/explain.ts"
import { OrderCommands } from "../../src/stores/orders/OrderCommands.ts"
import { decodePlanInput, PlanStore } from "../../src/stores/orders/PlanStore.ts"
import { ReplanStore } from "../../src/stores/orders/ReplanStore.ts"
import { SliceStore } from "../../src/stores/slices/SliceStore.ts"
import { makeSplitPending } from "../../src/workers/OrderSplitter.ts"
import { BrokerScript, openOrder } from "./scriptedBroker.ts"
import { insertOrder, setClock } from "./service.ts"

/** An order of 100 in five slices, due at 0, 15, 30, 45 and 60 s, changed where the test says so. */
export const splitOrder = (id: string, changed: Readonly<Record<string, unknown>> = {}) =>
  Effect.gen(function* () {
    yield* setClock()
    yield* insertOrder(id, changed)
    yield* Effect.flatten(makeSplitPending)
  })

export const claimDue = (limit = 10) =>
  Effect.gen(function* () {
    const now = yield* DateTime.now
    const leaseExpiresAt = DateTime.add(now, { minutes: 2 })
    return yield* (yield* SliceStore).claimDue({ now, horizon: now, leaseExpiresAt, owner: "owner", limit })
  })

export const move = (slices: ReadonlyArray<ClaimedSlice>, next: (slice: ClaimedSlice) => NextStage) =>
  Effect.gen(function* () {
    const at = yield* DateTime.now
    const transitions = slices.map((slice) => ({ slice, next: next(slice), attempts: 1, placedAt: at, at }))
    return yield* (yield* SliceStore).transition(transitions, [])
  })

/** Places the due slices; their broker orders are OPEN. */
export const placeDue = Effect.gen(function* () {
  const { orderList } = yield* BrokerScript
  const claimed = yield* claimDue()
  const placed = claimed.map((slice) => ({
    slice,
    order: openOrder(slice.tag, orderList.length + slice.sequenceNumber)
  }))
  orderList.push(...placed.map(({ order }) => order))
  const orderOf = new Map(placed.map(({ slice, order }) => [slice.id, order.brokerOrderId]))
  yield* move(claimed, (slice) => {
    const brokerOrderId = orderOf.get(slice.id)
    if (brokerOrderId === undefined) throw new Error("not placed")
    return { _tag: "Processed", brokerOrderId, found: null }
  })
  return claimed
})

const hundred = BigDecimal.fromStringUnsafe("100")

/** Changes the broker's order for a slice. What is filled costs 100, and what is CANCELLED the exchange has ended with its session. */
export const brokerSays = (tag: string, changed: Partial<BrokerOrder>) =>
  Effect.map(BrokerScript, ({ orderList }) => {
    const index = orderList.findIndex((order) => order.tag === tag)
    const order = orderList[index]
    const averagePrice = (changed.filledQuantity ?? 0) > 0 ? hundred : null
    const isExpired = changed.status === "CANCELLED"
    if (order !== undefined) orderList[index] = { ...order, averagePrice, isExpired, ...changed }
  })

export const amendOrder = (id: string, changed: Partial<Amendment>) =>
  Effect.gen(function* () {
    const config = yield* Configuration
    const now = yield* DateTime.now
    const amendment: Amendment = {
      remainingQuantity: null,
      numSlices: null,
      remainingWindow: null,
      limitPrice: null,
      note: "somebody: a reason",
      ...changed
    }
    const context = { rules: planningRules(config, null), market: unknownInstrument, now }
    return yield* (yield* ReplanStore).change(id, { now, windowGrace: config.orderWindowGrace }, (running) =>
      amend(running, amendment, context)
    )
  })

const Conservation = Schema.Struct({
  orderId: Schema.String,
  filled: Schema.Number,
  working: Schema.Number,
  inDoubt: Schema.Number,
  scheduled: Schema.Number,
  givenUp: Schema.Number,
  unaccounted: Schema.Number,
  overfilled: Schema.Int
})

export const conservation = Effect.flatMap(Db, ({ sql, query }) =>
  query(
    "test.conservation",
    Conservation,
    sql`
      SELECT order_id, filled::float8, working::float8, in_doubt::float8, scheduled::float8, given_up::float8,
        unaccounted::float8, overfilled
      FROM order_conservation ORDER BY order_id`
  )
)

/** For each plan, the numbers of the slices that differ from those computed from its stored input. */
export const explained = (orderId: string) =>
  Effect.gen(function* () {
    const plans = yield* (yield* PlanStore).plans(orderId)
    const slices = new Map(
      (yield* (yield* OrderCommands).slices(orderId, yield* DateTime.now)).map((slice) => [slice.sequenceNumber, slice])
    )
    return yield* Effect.forEach(plans, ({ input, firstSequence, startsAt, sessions, cause }) =>
      Effect.gen(function* () {
        const made = explainSchedule(yield* Effect.fromOption(decodePlanInput(input)))
        const differing = Result.getOrThrow(made).flatMap(({ quantity, offsetMillis }, index) => {
          const row = slices.get(firstSequence + index)
          const due = afterTrading(sessions, DateTime.toEpochMillis(startsAt), offsetMillis) ?? Infinity
          const isSame = row?.quantity === quantity && Math.abs(DateTime.toEpochMillis(row.scheduledAt) - due) < 1
          return isSame ? [] : [firstSequence + index]
        })
        return { cause, differing }
      })
    )
  })

export const at = (seconds: number) => setClock(Duration.seconds(seconds))

/** Locks one slice's row, whatever table it is in; the effect that it returns releases the lock. */
export const lockSlice = (id: string) =>
  Effect.flatMap(Db, ({ sql }) =>
    lockRows(
      ["slice_queue", "slice_working", "slice_results"].map(
        (table) =>
          sql`SELECT FROM ${sql(table)} WHERE slice = (SELECT slice FROM slice_plan WHERE id = ${id}) FOR UPDATE`
      )
    )
  )

/** Locks an order's row likewise. */
export const lockOrder = (id: string) =>
  Effect.flatMap(Db, ({ sql }) => lockRows([sql`SELECT FROM orders WHERE id = ${id} FOR UPDATE`]))

export const lockRows = (statements: ReadonlyArray<Statement<Readonly<Record<string, unknown>>>>) =>
  Effect.gen(function* () {
    const { execute, transaction } = yield* Db
    const isHeld = yield* Deferred.make<void>()
    const unlock = yield* Deferred.make<void>()
    const holder = yield* transaction(
      "test.lockRows",
      Effect.gen(function* () {
        for (const statement of statements) yield* execute("test.lock", statement)
        yield* Deferred.succeed(isHeld, undefined)
        yield* Deferred.await(unlock)
      })
    ).pipe(Effect.forkChild)
    yield* Deferred.await(isHeld)
    return Effect.andThen(Deferred.succeed(unlock, undefined), Fiber.join(holder))
  })

const Waiting = Schema.Struct({ count: Schema.Int })

/** Returns when `count` statements of this database wait for a lock. */
export const untilWaiting = (count: number) =>
  Effect.gen(function* () {
    const { sql, query } = yield* Db
    for (;;) {
      const [waiting] = yield* query(
        "test.waiting",
        Waiting,
        sql`
          SELECT count(*)::int AS count FROM pg_stat_activity
          WHERE datname = current_database() AND wait_event_type = 'Lock'`
      )
      if ((waiting?.count ?? 0) >= count) return
    }
  })

/** Inserts enough slices that PostgreSQL uses an index for those it changes, as in a database in use. */
export const manySlices = (stage: "SKIPPED" | "IN_PROGRESS") =>
  Effect.gen(function* () {
    const { sql, execute } = yield* Db
    yield* execute(
      "test.orders",
      sql`
        INSERT INTO orders (id, instrument, side, total_quantity, num_splits, duration_minutes, randomize, order_unique_key,
          order_queue_status, origin_trace_id, origin_trace_source, origin_request_id, origin_request_source, request_id)
        SELECT 'many' || n, 'NSE:INFY', 'BUY', 10, 10, 1, false, 'many' || n, 'DONE', 't', 's', 'r', 's', 'r'
        FROM generate_series(1, 2000) AS n`
    )
    yield* execute(
      "test.plan",
      sql`
        INSERT INTO slice_plan (slice, order_number, scheduled_at, not_after, quantity, id, tag, instrument, side, order_type,
          product_type, validity, created_at)
        SELECT (number << 20) + k, number, 'epoch', 'epoch', 1, id || '/' || k, 'M' || number || 'S' || k, 'NSE:INFY', 'BUY',
          'MARKET', 'CNC', 'DAY', 'epoch'
        FROM orders, generate_series(1, 10) AS k WHERE starts_with(id, 'many')`
    )
    yield* execute(
      "test.claim",
      sql`INSERT INTO slice_claims (id, owner, claimed_at, lease_expires_at, first_due_at, last_due_at)
          VALUES (1000000, 'somebody', 'epoch', '1970-01-02Z', 'epoch', 'epoch')`
    )
    const many = sql`slice_plan p JOIN orders o ON o.number = p.order_number WHERE starts_with(o.id, 'many')`
    yield* execute(
      "test.slices",
      stage === "SKIPPED"
        ? sql`
            INSERT INTO slice_results (slice, stage, updated_at, version, attempts, quantity)
            SELECT slice, 'S', 'epoch', 0, 0, quantity FROM ${many}`
        : sql`
            INSERT INTO slice_queue (slice, due_at, not_after, claim, version, quantity, format, is_held, keeps_hours, is_unpriced, tag,
              facts)
            SELECT slice, scheduled_at, not_after, 1000000, 0, quantity, 1, false, false, true, tag,
              slice_facts(o.id, p.instrument, p.side, p.order_type, NULL, p.product_type, p.validity, NULL, NULL, NULL, NULL)
            FROM ${many}`
    )
    yield* execute("test.analyze", sql`ANALYZE orders, slice_plan, slice_queue, slice_results`)
  })
