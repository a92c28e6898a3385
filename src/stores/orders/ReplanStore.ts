import { Context, type DateTime, Effect, Layer, Option, Result, Schema } from "effect"
import { Db } from "../../db/Db.ts"
import { DbError } from "../../db/DbError.ts"
import { instant } from "../../db/parameters.ts"
import { OrderId } from "../../domain/model/Ids.ts"
import type { OrderChange, RunningOrder } from "../../domain/planning/replan/RunningOrder.ts"
import { isEndedUnfilled, isHalted, mayWantPlan } from "../sql/conditions.ts"
import { settledHistory } from "../sql/history.ts"
import { isOfOrder } from "../sql/moves.ts"
import { CannotReplan, numberOf, readRunningOrder } from "./readRunningOrder.ts"
import { type ChangeOptions, writeOrderChange } from "./writeOrderChange.ts"

const WantingPlan = Schema.Struct({
  id: OrderId,
  instrument: Schema.String,
  /** Whether it has late slices to respread. */
  isLate: Schema.Boolean
})

/**
 * Finds orders that may need a change, and changes them: a new plan, slices given up, or the note that the order is
 * finished. A change is decided and written under the locks of the order and its slices, so no executor claims a slice
 * while its plan is replaced, and no quantity is planned twice. The TimeoutMonitor calls it for every order, the command
 * `order amend` for one.
 */
export class ReplanStore extends Context.Service<
  ReplanStore,
  {
    /**
     * Orders that may need a change: a late slice to respread, an unfilled quantity to carry, a completion, or the note
     * that they are finished. Orders on hold or cancelled are left out, and all of them while the server's history is not settled. Late slices wait while placements are halted or
     * this process's placement gate is closed (`isHeld`). Sorted by id, from after `after` on.
     */
    readonly wantingPlan: (
      after: OrderId | null,
      limit: number,
      options: { readonly now: DateTime.Utc; readonly isHeld: boolean }
    ) => Effect.Effect<ReadonlyArray<typeof WantingPlan.Type>, DbError>

    /**
     * Changes an order as `decide` says, in one transaction during which none of its slices can be claimed. With a new plan
     * the SCHEDULED slices become SKIPPED, replaced by those of the plan; claimed and sent slices stay as they are.
     * `decide` runs first without locks, where null ends the call, and again under the locks, where null changes nothing.
     */
    readonly change: <A extends OrderChange | null>(
      orderId: string,
      options: ChangeOptions,
      decide: (running: RunningOrder) => Result.Result<A, string>
    ) => Effect.Effect<A, CannotReplan | DbError>
  }
>()("pulse-background/ReplanStore") {
  static readonly layer: Layer.Layer<ReplanStore, never, Db> = Layer.effect(
    ReplanStore,
    Effect.map(Db, (db) => ReplanStore.of({ wantingPlan: wantingPlan(db), change: change(db) }))
  )
}

const wantingPlan =
  ({ sql, query }: Db["Service"]): ReplanStore["Service"]["wantingPlan"] =>
  (after, limit, { now, isHeld }) => {
    const isMine = isOfOrder(sql, "slice", sql.literal("o.number"))
    return query(
      "ReplanStore.wantingPlan",
      WantingPlan,
      sql`
        WITH late AS MATERIALIZED (
          SELECT DISTINCT slice >> 20 AS number FROM slice_queue
          WHERE claim = 0 AND stale_at < ${instant(now)} AND NOT is_held AND NOT ${isHeld}::boolean AND NOT ${isHalted(sql)}
        ), wanting AS MATERIALIZED (
          SELECT o.number FROM orders o
          WHERE ${mayWantPlan(sql)} AND (
              (SELECT completes_at <= ${instant(now)} FROM order_plans WHERE order_id = o.id ORDER BY revision DESC LIMIT 1)
              OR EXISTS (SELECT FROM slice_results WHERE ${isMine} AND ${isEndedUnfilled(sql)}
                AND CASE WHEN stage = 'F' OR broker_status = 'REJECTED' THEN o.carry_rejected ELSE o.carry_unfilled END)
              OR NOT (EXISTS (SELECT FROM slice_queue WHERE ${isMine}) OR EXISTS (SELECT FROM slice_working WHERE ${isMine})))
        )
        -- Another program may have written what is no instrument: that order fails when it is read, and no other.
        SELECT id, coalesce(left(instrument, 1000), '') AS instrument, number IN (SELECT number FROM late) AS is_late FROM orders o
        -- An array, because the planner expects as many orders in a list as there are late slices.
        WHERE number = ANY(ARRAY(SELECT number FROM late UNION SELECT number FROM wanting))
          AND cancel_requested_at IS NULL AND hold_reason IS NULL
          AND EXISTS (SELECT FROM order_plans WHERE order_id = o.id) AND EXISTS (${settledHistory(sql, null)})
          AND (${after}::text IS NULL OR id > ${after})
        ORDER BY id LIMIT ${limit}`
    )
  }

const change =
  (db: Db["Service"]): ReplanStore["Service"]["change"] =>
  (orderId, options, decide) =>
    Effect.gen(function* () {
      const look = Effect.flatMap(readRunningOrder(db, orderId, options.now), (running) => {
        const decided = decide(running)
        return Result.isSuccess(decided)
          ? Effect.succeed({ running, decided: decided.success })
          : Effect.fail(new CannotReplan({ orderId, reason: decided.failure, isCancelled: false }))
      })
      // A failure without the locks may come from reading the order in the middle of a change, so it is decided again.
      const first = yield* Effect.option(look)
      if (Option.isSome(first) && first.value.decided === null) return first.value.decided
      return yield* db
        .transaction(
          "ReplanStore.change",
          Effect.gen(function* () {
            yield* lockOrder(db, orderId)
            yield* lockSlices(db, orderId)
            const { running, decided } = yield* look
            if (decided !== null) yield* writeOrderChange(db, running, decided, options)
            return decided
          })
        )
        .pipe(
          Effect.retry({ times: maxRetries, while: ({ _tag }) => _tag === "SlicesChanged" }),
          Effect.catchTag("SlicesChanged", ({ message }) =>
            Effect.fail(new DbError({ operation: "ReplanStore.change", message, isTransient: true, sqlState: null }))
          )
        )
    })

/** How often a change is decided again at once because slices changed meanwhile; the next poll tries it again, too. */
const maxRetries = 3

/** What a database that forgets has lost of an order must not be planned anew. */
const lockOrder = ({ sql, query }: Db["Service"], orderId: string) =>
  query(
    "ReplanStore.lockOrder",
    Schema.Struct({ isSettled: Schema.Boolean }),
    sql`SELECT EXISTS (${settledHistory(sql, null)}) AS is_settled FROM orders WHERE id = ${orderId} FOR UPDATE`
  ).pipe(Effect.flatMap((rows) => (rows.some(({ isSettled }) => !isSettled) ? Effect.fail(unsettled) : Effect.void)))

const unsettled = new DbError({
  operation: "ReplanStore.change",
  message:
    "ReplanStore.change: the database may have forgotten what it had committed (a fail-over, a restored backup); no order gets a " +
    "new plan until a daemon has found that again",
  isTransient: true,
  sqlState: null
})

/** Locks the SCHEDULED slices, so that no executor claims one. It waits for transactions that are changing them. */
const lockSlices = ({ sql, execute }: Db["Service"], orderId: string) =>
  execute(
    "ReplanStore.lockSlices",
    sql`
      SELECT slice FROM slice_queue WHERE ${isOfOrder(sql, "slice", numberOf(sql, orderId))} AND claim = 0
      ORDER BY slice FOR UPDATE`
  )
