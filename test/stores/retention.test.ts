import { assert, describe, it } from "@effect/vitest"
import { DateTime, Deferred, Duration, Effect, Fiber, Layer, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import { OperatorActionStore } from "../../src/stores/operations/OperatorActionStore.ts"
import { nothingPruned, RetentionStore } from "../../src/stores/operations/RetentionStore.ts"
import { SliceCommands } from "../../src/stores/slices/SliceCommands.ts"
import { claimDue, lockSlice, move, splitOrder, untilWaiting } from "../support/replanning.ts"
import { scriptedBroker } from "../support/scriptedBroker.ts"
import { asked, insertOrder, serviceLayer, setClock, sliceRows } from "../support/service.ts"

const service = Layer.mergeAll(RetentionStore.layer, OperatorActionStore.layer, SliceCommands.layer).pipe(
  Layer.provideMerge(serviceLayer({ broker: scriptedBroker }))
)

/** An order of five slices, all of them refused. */
const finished = (id: string, changed: Readonly<Record<string, unknown>> = {}) =>
  Effect.gen(function* () {
    yield* splitOrder(id, changed)
    yield* setClock("1 minute")
    yield* move(yield* claimDue(), () => ({ _tag: "Failed", code: "broker_refused", reason: "refused" }))
  })

const days = (count: number) => setClock(Duration.days(count))

const pruning = Effect.map(DateTime.now, (now) => ({ before: DateTime.subtract(now, { days: 2 }), asked, now }))

const prune = Effect.gen(function* () {
  const options = yield* pruning
  const store = yield* RetentionStore
  const count = yield* store.count(options.before)
  const [orders, others] = [yield* store.pruneOrders(options), yield* store.pruneOthers(options)]
  const pruned = {
    ...orders,
    brokerEvents: orders.brokerEvents + others.brokerEvents,
    notifications: others.notifications
  }
  assert.deepStrictEqual(count, pruned)
  assert.deepStrictEqual(yield* store.pruneOrders(options), nothingPruned)
  return pruned
})

const left = Effect.flatMap(Db, ({ sql, query }) =>
  query("test.left", Schema.Struct({ id: Schema.String }), sql`SELECT id FROM orders ORDER BY id`)
).pipe(Effect.map((rows) => rows.map(({ id }) => id)))

const run = (statement: string) => Effect.flatMap(Db, ({ sql, execute }) => execute("test.run", sql.unsafe(statement)))

/** What a removal answers that begins while a transaction has made this change, and waits until it is committed. */
const prunedDuring = (change: string) =>
  Effect.gen(function* () {
    const { transaction } = yield* Db
    const isChanged = yield* Deferred.make<void>()
    const commit = yield* Deferred.make<void>()
    const changing = yield* transaction(
      "test.change",
      run(change).pipe(Effect.andThen(Deferred.succeed(isChanged, undefined)), Effect.andThen(Deferred.await(commit)))
    ).pipe(Effect.forkChild)
    yield* Deferred.await(isChanged)
    const removing = yield* Effect.forkChild((yield* RetentionStore).pruneOrders(yield* pruning))
    yield* untilWaiting(1)
    yield* Deferred.succeed(commit, undefined)
    yield* Fiber.join(changing)
    return yield* Fiber.join(removing)
  })

const plannedSlices = Effect.flatMap(Db, ({ sql, queryOne }) =>
  queryOne("test.planned", Schema.Struct({ count: Schema.Int }), sql`SELECT count(*)::int AS count FROM slice_plan`)
).pipe(Effect.map(({ count }) => count))

/** Claims from before the order was split, of two days later, and one that is not over. */
const insertClaims = run(`
  INSERT INTO slice_claims (owner, claimed_at, lease_expires_at, first_due_at, last_due_at, is_over)
  VALUES ('older', '1969-12-31', '1969-12-31', 'epoch', 'epoch', true),
    ('new', '1970-01-03', '1970-01-03', 'epoch', 'epoch', true),
    ('under way', '1969-12-31', '1969-12-31', 'epoch', 'epoch', false)`).pipe(
  Effect.andThen(run("UPDATE slice_claims SET is_over = true WHERE owner = 'owner'"))
)

const claims = Effect.flatMap(Db, ({ sql, query }) =>
  query("test.claims", Schema.Struct({ owner: Schema.String }), sql`SELECT owner FROM slice_claims ORDER BY owner`)
).pipe(Effect.map((rows) => rows.map(({ owner }) => owner)))

describe("prune", () => {
  it.effect("removes a finished order with all its rows when its last change is old, and records it", () =>
    Effect.gen(function* () {
      yield* finished("o1")
      yield* insertOrder("o2", { created_at: "1970-01-03T00:00:00Z" })
      yield* run(`
        INSERT INTO mock_broker_orders (broker_order_id, tag, instrument, side, quantity, order_type, product_type, validity,
          placed_at, visible_at, opens_at, settles_at, fill_quantity)
        SELECT id, tag, instrument, side, quantity, order_type, product_type, validity, 'epoch', 'epoch', 'epoch', 'epoch', 0
        FROM order_slices WHERE sequence_number < 3`)
      yield* run(`
        INSERT INTO broker_events (id, called_at, duration_millis, broker, call, outcome, order_id, request, response, worker)
        VALUES ('e1', 'epoch', 1, 'mock', 'place', 'ok', 'o1', '{}', '{}', 'me'),
          ('e2', 'epoch', 1, 'mock', 'find_by_tag', 'ok', NULL, '{}', '{}', 'me'),
          ('e3', '1970-01-03', 1, 'mock', 'find_by_tag', 'ok', NULL, '{}', '{}', 'me')`)
      yield* run(`
        INSERT INTO notifications (key, kind, severity, message, found_at, next_attempt_at, delivered_at)
        VALUES ('told', 'halted', 'info', 'm', 'epoch', 'epoch', 'epoch'), ('untold', 'halted', 'info', 'm', 'epoch', 'epoch', NULL),
          ('new', 'halted', 'info', 'm', '1970-01-03', '1970-01-03', NULL)`)
      yield* days(2)
      assert.deepStrictEqual(yield* prune, nothingPruned)
      yield* days(3)
      const pruned = { orders: 1, slices: 5, plans: 1, brokerEvents: 2, mockOrders: 2, notifications: 2 }
      assert.deepStrictEqual(yield* prune, pruned)
      assert.deepStrictEqual(yield* left, ["o2"])
      assert.deepStrictEqual(yield* sliceRows(), [])
      const actions = yield* (yield* OperatorActionStore).list(null, 10)
      assert.deepStrictEqual(
        actions.map(({ action, operator, details }) => [action, operator, details]),
        [
          ["prune", "tester", { broker_events: 1, notifications: 2 }],
          ["prune", "tester", { orders: 1, slices: 5, plans: 1, broker_events: 1, mock_orders: 2 }]
        ]
      )
    }).pipe(Effect.provide(service))
  )

  for (const [what, statement] of [
    ["is still to be sent", "UPDATE order_slices SET stage = 'SCHEDULED' WHERE sequence_number = 2"],
    [
      "may still be open at the broker",
      "UPDATE order_slices SET stage = 'PROCESSED', broker_order_id = 'b1', left_book_at = 'epoch' WHERE sequence_number = 2"
    ],
    ["was in doubt recently", "UPDATE order_slices SET in_doubt_at = '1970-01-02T12:00Z' WHERE sequence_number = 2"],
    ["changed recently", "UPDATE order_slices SET updated_at = '1970-01-02T12:00Z' WHERE sequence_number = 2"],
    ["waits for a person", "UPDATE orders SET hold_reason = 'twice'"],
    [
      "was placed twice and not resumed, although it is cancelled",
      `WITH cancelled AS (UPDATE orders SET hold_reason = 'twice', cancel_requested_at = 'epoch')
       INSERT INTO double_placements (tag, order_id, slice_id, broker_order_ids, seen_at)
       SELECT tag, order_id, id, '{b1,b2}', 'epoch' FROM order_slices WHERE sequence_number = 2`
    ],
    ["is to be carried", "UPDATE orders SET carry_rejected = true"],
    ["is to be split", "UPDATE orders SET order_queue_status = 'PENDING'"],
    ["is in no table", "DELETE FROM slice_results WHERE slice = (SELECT min(slice) FROM slice_results)"],
    ["has no plan", "DELETE FROM slice_plan WHERE slice = (SELECT min(slice) FROM slice_plan)"]
  ] as const) {
    it.effect(`keeps an order of which a part ${what}`, () =>
      Effect.gen(function* () {
        yield* finished("o1")
        yield* run(statement)
        yield* days(3)
        assert.deepStrictEqual(yield* prune, nothingPruned)
        assert.deepStrictEqual(yield* left, ["o1"])
      }).pipe(Effect.provide(service))
    )
  }

  it.effect("keeps an order of which a slice is retried at the same moment", () =>
    Effect.gen(function* () {
      yield* finished("o1")
      yield* days(3)
      const [slice = assert.fail("no slice")] = yield* sliceRows()
      const now = yield* DateTime.now
      const unlock = yield* lockSlice(slice.id)
      const options = {
        now,
        at: DateTime.add(now, { hours: 1 }),
        windowGrace: Duration.minutes(10),
        orderListSince: DateTime.makeUnsafe(0)
      }
      const retrying = yield* Effect.forkChild((yield* SliceCommands).retry(slice.id, options, asked))
      yield* untilWaiting(1)
      // The order is locked by then, so it is omitted without waiting.
      assert.deepStrictEqual(yield* (yield* RetentionStore).pruneOrders(yield* pruning), nothingPruned)
      yield* unlock
      yield* Fiber.join(retrying)
      assert.deepStrictEqual(yield* (yield* RetentionStore).pruneOrders(yield* pruning), nothingPruned)
      assert.lengthOf(yield* sliceRows(), 5)
    }).pipe(Effect.provide(service))
  )

  it.effect("keeps the whole order when one of its slices changes during the removal", () =>
    Effect.gen(function* () {
      yield* finished("o1")
      yield* days(3)
      const [slice = assert.fail("no slice")] = yield* sliceRows()
      const change = `UPDATE order_slices SET updated_at = '1970-01-04' WHERE id = '${slice.id}'`
      assert.deepStrictEqual(yield* prunedDuring(change), nothingPruned)
      assert.lengthOf(yield* sliceRows(), 5)
    }).pipe(Effect.provide(service))
  )

  it.effect(
    "keeps the whole order when one of its slices leaves the results during the removal, and removes the others",
    () =>
      Effect.gen(function* () {
        yield* finished("o1")
        yield* finished("o2")
        yield* days(3)
        const arrival = `
        WITH gone AS (DELETE FROM slice_results WHERE slice = (SELECT min(slice) FROM slice_results) RETURNING *)
        INSERT INTO slice_working (slice, acknowledged_at, version, attempts, quantity, broker_order_id)
        SELECT slice, now(), version, attempts, quantity, 'late' FROM gone`
        assert.deepInclude(yield* prunedDuring(arrival), { orders: 1, slices: 5, plans: 1 })
        assert.deepStrictEqual(yield* left, ["o1"])
        assert.deepStrictEqual((yield* sliceRows()).map(({ orderId, stage }) => `${orderId} ${stage}`).toSorted(), [
          "o1 FAILED",
          "o1 FAILED",
          "o1 FAILED",
          "o1 FAILED",
          "o1 PROCESSED"
        ])
        assert.strictEqual(yield* plannedSlices, 5)
      }).pipe(Effect.provide(service))
  )

  it.effect("looks for another batch when every order of the first one has changed meanwhile", () =>
    Effect.gen(function* () {
      yield* finished("o1")
      yield* days(3)
      // The removal waits for this one at first; the second order is then there.
      const change = `
        WITH o2 AS (
          INSERT INTO orders (id, instrument, side, total_quantity, num_splits, duration_minutes, randomize, order_unique_key,
            order_queue_status, status_reason, origin_trace_id, origin_trace_source, origin_request_id, origin_request_source,
            request_id, created_at, updated_at)
          SELECT 'o2', instrument, side, total_quantity, num_splits, duration_minutes, randomize, 'key-o2', 'SKIPPED',
            status_reason, origin_trace_id, origin_trace_source, origin_request_id, origin_request_source, request_id, 'epoch',
            'epoch'
          FROM orders)
        UPDATE slice_results SET updated_at = '1970-01-04'`
      assert.deepInclude(yield* prunedDuring(change), { orders: 1, slices: 0 })
      assert.deepStrictEqual(yield* left, ["o1"])
    }).pipe(Effect.provide(service))
  )

  it.effect("removes the claims of slices that are gone, and no other", () =>
    Effect.gen(function* () {
      yield* finished("o1")
      yield* insertClaims
      yield* days(3)
      yield* prune
      assert.deepStrictEqual(yield* claims, ["new", "under way"])
    }).pipe(Effect.provide(service))
  )

  it.effect("keeps the claims that an order which is left may have", () =>
    Effect.gen(function* () {
      yield* finished("o1", { carry_rejected: true })
      yield* insertClaims
      yield* days(3)
      yield* prune
      assert.deepStrictEqual(yield* claims, ["new", "owner", "under way"])
    }).pipe(Effect.provide(service))
  )
})
