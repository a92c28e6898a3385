import { DateTime, Deferred, Duration, Effect, Fiber, Result, Schema } from "effect"
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

/** Changes the broker's order for a slice. */
export const brokerSays = (tag: string, changed: Partial<BrokerOrder>) =>
  Effect.map(BrokerScript, ({ orderList }) => {
    const index = orderList.findIndex((order) => order.tag === tag)
    const order = orderList[index]
    if (order !== undefined) orderList[index] = { ...order, ...changed }
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

/** Locks one slice's row; the effect that it returns releases the lock. */
export const lockSlice = (id: string) => lockRow("order_slices", id)

/** Locks an order's row likewise. */
export const lockOrder = (id: string) => lockRow("orders", id)

const lockRow = (table: string, id: string) =>
  Effect.gen(function* () {
    const { sql, execute, transaction } = yield* Db
    const isHeld = yield* Deferred.make<void>()
    const unlock = yield* Deferred.make<void>()
    const holder = yield* transaction(
      "test.lockRow",
      Effect.gen(function* () {
        yield* execute("test.lock", sql`SELECT id FROM ${sql(table)} WHERE id = ${id} FOR UPDATE`)
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
    const stageAndClaim =
      stage === "SKIPPED" ? sql`'SKIPPED', NULL, NULL, NULL` : sql`'IN_PROGRESS', 'somebody', 'epoch', '1970-01-02Z'`
    yield* execute(
      "test.slices",
      sql`
        INSERT INTO order_slices (id, order_id, sequence_number, tag, instrument, side, quantity, order_type, product_type,
          validity, scheduled_at, not_before, not_after, stage, claimed_by, claimed_at, lease_expires_at)
        SELECT 'many' || n || '/' || k, 'many' || n, k, 'M' || n || 'S' || k, 'NSE:INFY', 'BUY', 1, 'MARKET', 'CNC', 'DAY',
          'epoch', 'epoch', 'epoch', ${stageAndClaim}
        FROM generate_series(1, 2000) AS n, generate_series(1, 10) AS k`
    )
    yield* execute("test.analyze", sql`ANALYZE orders, order_slices`)
  })
