import { BigDecimal, type DateTime, type Duration, Effect, Schema } from "effect"
import type { Fragment } from "effect/sql/Statement"
import type { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { channel, instant, integers, texts } from "../../db/parameters.ts"
import type { Reason } from "../../domain/model/reason.ts"
import {
  type Cut,
  isScheduled,
  type OrderChange,
  type Replan,
  type RunningOrder,
  type RunningSlice
} from "../../domain/planning/replan/RunningOrder.ts"
import { type Asked, insertActions } from "../sql/insertActions.ts"
import { isOfOrder, skipQueued } from "../sql/moves.ts"
import { holdOrphaned, plannedSlices, planRows } from "../sql/planRows.ts"
import { reasonCode } from "../sql/reasonCode.ts"
import { numberOf } from "./readRunningOrder.ts"

export interface ChangeOptions {
  readonly now: DateTime.Utc
  readonly windowGrace: Duration.Duration
  /** The operator who asks for the change; absent if the service makes it by itself. */
  readonly asked?: Asked
}

/** A slice has changed since the change was decided. The transaction must be rolled back, and the change decided again. */
export class SlicesChanged extends Schema.TaggedError<SlicesChanged>()("SlicesChanged", { orderId: Schema.String }) {
  override get message(): string {
    return `Slices of order ${this.orderId} changed while their unfilled quantity was planned anew; it is tried again later`
  }
}

/** Writes a change of an order that was decided for `running`. The transaction must hold the locks of the order and its slices. */
export const writeOrderChange = (
  db: Db["Service"],
  running: RunningOrder,
  change: OrderChange,
  options: ChangeOptions
): Effect.Effect<void, DbError | SlicesChanged> => {
  switch (change._tag) {
    case "Replan":
      return replan(db, running, change, options)
    case "GiveUp":
      return giveUp(db, running.order.id, change.slices, change.reason, options.now)
    case "Cut":
      return cut(db, running, change, options)
    case "Waits":
      return wait(db, running.order.id, change.reason, options.now)
    case "Finished":
      return finish(db, running.order.id, change.reason, options.now)
  }
}

const replan = Effect.fnUntraced(function* (
  db: Db["Service"],
  { slices }: RunningOrder,
  change: Replan,
  options: ChangeOptions
) {
  const { plan, carried, waived } = change
  const { orderId, revision } = plan
  const replaced = slices.filter(isScheduled).length
  const areScheduled = db.sql`${isOfOrder(db.sql, "q.slice", numberOf(db.sql, orderId))} AND q.claim = 0`
  yield* allOf(orderId, replaced, replaceQueued(db, areScheduled, revision, options.now))
  if (waived.length > 0) yield* allOf(orderId, waived.length, waive(db, waived, options.now))
  if (carried.length > 0) yield* allOf(orderId, carried.length, markCarried(db, carried, options.now))
  yield* writePlan(db, change, options)
  if (options.asked !== undefined) yield* recordAmendment(db, change, options.asked, options.now)
})

const cut = Effect.fnUntraced(function* (
  db: Db["Service"],
  { order }: RunningOrder,
  { plan, slice, cutSequence }: Cut,
  options: ChangeOptions
) {
  const isMine = db.sql`q.slice = ${slice.key}::float8::bigint AND q.version = ${slice.claimVersion}::int AND q.claim > 0`
  yield* allOf(order.id, 1, replaceQueued(db, isMine, plan.revision, options.now))
  const { totalQuantity, limitPrice } = order
  yield* writePlan(db, { plan, totalQuantity, limitPrice }, { ...options, cutSequence })
})

/** Fails unless the statement has changed as many slices as the change was decided for. */
const allOf = (
  orderId: string,
  count: number,
  changed: Effect.Effect<ReadonlyArray<unknown>, DbError>
): Effect.Effect<void, DbError | SlicesChanged> =>
  Effect.flatMap(changed, ({ length }) =>
    length === count ? Effect.void : Effect.fail(new SlicesChanged({ orderId }))
  )

const SliceKey = Schema.Struct({ slice: Schema.String })

/** Makes slices of the queue, `q`, SKIPPED, because those of a new plan take their place. */
const replaceQueued = ({ sql, query }: Db["Service"], where: Fragment, revision: number, now: DateTime.Utc) =>
  query(
    "ReplanStore.replaceQueued",
    SliceKey,
    sql`
      WITH ${skipQueued(sql, {
        where,
        updates: {
          reason: sql`${`replaced by plan ${revision}`}::text`,
          reason_code: reasonCode(sql, "replaced_by_plan"),
          replaced_by: sql`${revision}::int`,
          updated_at: sql`${instant(now)}::timestamptz`
        }
      })}
      SELECT slice::text FROM gone`
  )

/**
 * Marks the unfilled quantity of slices as carried; answers with those that are as they were read. Late arrivals, the broker's last
 * word and repairs change slices that have been sent without a lock of the order.
 */
const markCarried = ({ sql, query }: Db["Service"], carried: ReadonlyArray<RunningSlice>, now: DateTime.Utc) =>
  query(
    "ReplanStore.markCarried",
    SliceKey,
    sql`
      UPDATE slice_results r SET carried = r.quantity - r.filled, updated_at = ${instant(now)}
      FROM unnest(
        ${texts(carried.map(({ id }) => id))},
        ${integers(carried.map(({ filledQuantity }) => filledQuantity))},
        ${integers(carried.map(({ carriedQuantity }) => carriedQuantity))}
      ) AS i (id, filled, carried)
      JOIN slice_plan p ON p.id = i.id
      WHERE r.slice = p.slice AND r.filled = i.filled AND r.carried = i.carried
      RETURNING r.slice::text`
  )

/** Gives up what is missing of slices; one that is open at the broker again by now keeps the mark for when it is over. */
const waive = (db: Db["Service"], slices: ReadonlyArray<string>, now: DateTime.Utc) =>
  Effect.gen(function* () {
    const working = yield* waiveIn(db, "slice_working", slices, now)
    return [...working, ...(yield* waiveIn(db, "slice_results", slices, now))]
  })

const waiveIn = (
  { sql, query }: Db["Service"],
  table: "slice_working" | "slice_results",
  slices: ReadonlyArray<string>,
  now: DateTime.Utc
) =>
  query(
    "ReplanStore.waive",
    SliceKey,
    sql`
      UPDATE ${sql.literal(table)} t SET is_waived = true, updated_at = ${instant(now)}
      FROM slice_plan p
      WHERE p.id = ANY(${texts(slices)}) AND t.slice = p.slice
      RETURNING t.slice::text`
  )

const writePlan = (
  { sql, execute }: Db["Service"],
  { plan, totalQuantity, limitPrice }: Pick<Replan, "plan" | "totalQuantity" | "limitPrice">,
  options: ChangeOptions & { readonly cutSequence?: number }
) =>
  execute(
    "ReplanStore.writePlan",
    sql`
      WITH ${plannedSlices(sql, [plan])}, planned AS (
        UPDATE orders o SET
          hold_reason_code = CASE WHEN o.hold_reason IS NULL AND o.id IN (SELECT order_id FROM orphaned)
            THEN ${reasonCode(sql, "orphaned_orders")} ELSE o.hold_reason_code END,
          ${holdOrphaned(sql, options.now)},
          status_reason = CASE WHEN reason_code = ${reasonCode(sql, "calendar_ends")} THEN NULL ELSE status_reason END,
          reason_code = nullif(reason_code, ${reasonCode(sql, "calendar_ends")}),
          total_quantity = ${totalQuantity}::int, num_splits = least(num_splits, ${totalQuantity}::int), settled_at = NULL, updated_at = ${instant(options.now)},
          limit_price = CASE WHEN order_type = 'LIMIT'
            THEN coalesce(${limitPrice === null ? null : BigDecimal.format(limitPrice)}::numeric, limit_price) END
        WHERE id = ${plan.orderId}
        RETURNING *
      ), ${planRows(sql, [plan], options)}
      SELECT pg_notify(${channel}, 'slices') FROM planned`
  )

const recordAmendment = (
  { sql, execute }: Db["Service"],
  { plan, totalQuantity }: Replan,
  asked: Asked,
  now: DateTime.Utc
) =>
  execute(
    "ReplanStore.recordAmendment",
    insertActions(
      sql,
      { name: "order amend", asked, now },
      sql`
        SELECT ${plan.orderId}::text, NULL::text, jsonb_build_object('plan', ${plan.revision}::int, 'slices', ${plan.slices.length}::int,
          'total_quantity', ${totalQuantity}::int, 'limit_price', (SELECT limit_price FROM orders WHERE id = ${plan.orderId}))`
    )
  )

const giveUp = (
  { sql, query }: Db["Service"],
  orderId: string,
  slices: ReadonlyArray<string>,
  reason: Reason,
  now: DateTime.Utc
) =>
  allOf(
    orderId,
    slices.length,
    query(
      "ReplanStore.giveUp",
      SliceKey,
      sql`
        WITH ${skipQueued(sql, {
          using: sql`slice_plan p`,
          where: sql`p.id = ANY(${texts(slices)}) AND q.slice = p.slice AND q.claim = 0`,
          updates: {
            reason: sql`${reason.text}::text`,
            reason_code: sql`${reason.code}::text`,
            updated_at: sql`${instant(now)}::timestamptz`
          }
        })}
        SELECT slice::text FROM gone`
    )
  )

const wait = ({ sql, execute }: Db["Service"], orderId: string, reason: Reason, now: DateTime.Utc) =>
  execute(
    "ReplanStore.wait",
    sql`
      UPDATE orders SET status_reason = ${reason.text}, reason_code = ${reason.code}, updated_at = ${instant(now)}
      WHERE id = ${orderId}`
  )

const finish = ({ sql, execute }: Db["Service"], orderId: string, reason: Reason | null, now: DateTime.Utc) =>
  execute(
    "ReplanStore.finish",
    sql`
      UPDATE orders SET
        settled_at = ${instant(now)}, status_reason = ${reason?.text ?? null}, reason_code = ${reason?.code ?? null}, updated_at = ${instant(now)}
      WHERE id = ${orderId}`
  )
