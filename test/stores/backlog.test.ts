import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Schema } from "effect"
import { Db } from "../../src/db/Db.ts"
import { BacklogStore } from "../../src/stores/operations/BacklogStore.ts"
import { testDatabase } from "../support/database.ts"
import { contractRow } from "../support/service.ts"

const service = BacklogStore.layer.pipe(Layer.provideMerge(testDatabase))

const at = (seconds: number) => DateTime.makeUnsafe(seconds * 1000)
const now = at(1000)

interface Slice {
  readonly stage: string
  readonly dueSeconds?: number
  readonly isHeld?: boolean
  readonly leaseSeconds?: number
  readonly unknownSeconds?: number
  readonly isFinal?: boolean
}

const insertOrder = (id: string, status: string, createdSeconds = 0) =>
  Effect.flatMap(Db, ({ sql, execute }) =>
    execute(
      "test.order",
      sql`INSERT INTO orders ${sql.insert(contractRow(id, { order_queue_status: status, created_at: DateTime.toDateUtc(at(createdSeconds)) }))}`
    )
  )

const insertSlices = (slices: ReadonlyArray<Slice>) =>
  Effect.gen(function* () {
    const { sql, execute } = yield* Db
    for (const [n, slice] of slices.entries()) {
      const due = DateTime.toDateUtc(at(slice.dueSeconds ?? 0))
      const row = {
        id: `s${n}`,
        order_id: "done",
        sequence_number: n + 1,
        tag: `T${n}`,
        instrument: "NSE:INFY",
        side: "BUY",
        quantity: 1,
        order_type: "MARKET",
        product_type: "CNC",
        validity: "DAY",
        scheduled_at: due,
        not_before: due,
        not_after: DateTime.toDateUtc(at(100_000)),
        stage: slice.stage,
        is_held: slice.isHeld ?? false,
        claimed_by: "somebody",
        lease_expires_at: DateTime.toDateUtc(at(slice.leaseSeconds ?? 2000)),
        outcome_unknown_at: slice.unknownSeconds === undefined ? null : DateTime.toDateUtc(at(slice.unknownSeconds)),
        broker_order_id: slice.stage === "PROCESSED" ? `b${n}` : null,
        acknowledged_at: slice.stage === "PROCESSED" ? due : null,
        broker_is_final: slice.isFinal ?? false
      }
      yield* execute("test.slice", sql`INSERT INTO order_slices ${sql.insert(row)}`)
    }
  })

const read = Effect.flatMap(BacklogStore, (store) => store.read(now))

describe("the backlog", () => {
  it.live("counts unfinished orders and slices, and says since when the oldest waits", () =>
    Effect.gen(function* () {
      yield* insertOrder("done", "DONE")
      yield* insertOrder("first", "PENDING", 900)
      yield* insertOrder("second", "PENDING", 950)
      yield* insertOrder("splitting", "IN_PROGRESS")
      yield* insertSlices([
        { stage: "SCHEDULED", dueSeconds: 1001 },
        { stage: "SCHEDULED", dueSeconds: 990 },
        { stage: "SCHEDULED", dueSeconds: 980 },
        // A slice of an order on hold is not overdue.
        { stage: "SCHEDULED", dueSeconds: 10, isHeld: true },
        { stage: "IN_PROGRESS" },
        { stage: "IN_PROGRESS", unknownSeconds: 970 },
        { stage: "IN_PROGRESS", leaseSeconds: 960 },
        { stage: "PROCESSED" },
        { stage: "PROCESSED", isFinal: true },
        { stage: "FAILED" },
        { stage: "SKIPPED" }
      ])
      assert.deepStrictEqual(yield* read, {
        ordersPending: 2,
        ordersWaiting: 0,
        ordersInProgress: 1,
        pendingSince: at(900),
        scheduled: 4,
        due: 2,
        dueSince: at(980),
        inProgress: 3,
        inDoubt: 2,
        inDoubtSince: at(960),
        open: 1
      })
    }).pipe(Effect.provide(service))
  )

  it.live("is empty on an empty database", () =>
    Effect.gen(function* () {
      const { pendingSince, dueSince, inDoubtSince, ...counts } = yield* read
      assert.deepStrictEqual([pendingSince, dueSince, inDoubtSince], [null, null, null])
      assert.isTrue(Object.values(counts).every((count) => count === 0))
    }).pipe(Effect.provide(Layer.fresh(service)))
  )

  it.live("reads no finished row: every part of the statement uses a partial index", () =>
    Effect.gen(function* () {
      const { sql, query, execute } = yield* Db
      yield* insertOrder("done", "DONE")
      yield* execute(
        "test.finished",
        sql`
          WITH plan AS (
            INSERT INTO slice_plan (slice, order_number, scheduled_at, not_after, quantity, id, tag, instrument, side, order_type,
              product_type, validity, created_at)
            SELECT (number << 20) + n, number, now(), now(), 1, 's' || n, 'T' || n, 'NSE:INFY', 'BUY', 'MARKET', 'CNC', 'DAY', now()
            FROM orders, generate_series(1, 20000) n
            RETURNING slice, quantity
          )
          INSERT INTO slice_results (slice, stage, updated_at, version, attempts, quantity)
          SELECT slice, 'F', now(), 1, 1, quantity FROM plan`
      )
      yield* execute("test.analyze", sql`ANALYZE slice_plan, slice_results`)
      const scans = query(
        "test.scans",
        Schema.Struct({ scans: Schema.Int }),
        sql`SELECT pg_stat_get_xact_numscans('slice_results'::regclass)::int AS scans`
      )
      // Sequential scans of the table within this transaction: there must be none.
      const [before, after] = yield* (yield* Db).transaction(
        "test.read",
        Effect.gen(function* () {
          const [first] = yield* scans
          yield* read
          const [last] = yield* scans
          return [first?.scans, last?.scans]
        })
      )
      assert.isDefined(before)
      assert.strictEqual(after, before)
    }).pipe(Effect.provide(Layer.fresh(service)))
  )
})
