import { BigDecimal, DateTime, Duration, Effect, Schema } from "effect"
import type { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { channel, instant, integers, texts } from "../../db/parameters.ts"
import type { Reason } from "../../domain/model/reason.ts"
import type { OrderChange, Replan, RunningSlice } from "../../domain/planning/replan/RunningOrder.ts"
import { isUnfinished } from "../sql/conditions.ts"
import { Id } from "../sql/ids.ts"
import { type Asked, insertActions } from "../sql/insertActions.ts"
import { planRows } from "../sql/planRows.ts"
import { reasonCode } from "../sql/reasonCode.ts"

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

/** Writes a change of an order. The transaction must hold the locks of the order and of its slices. */
export const writeOrderChange = (
  db: Db["Service"],
  orderId: string,
  change: OrderChange,
  options: ChangeOptions
): Effect.Effect<void, DbError | SlicesChanged> => {
  switch (change._tag) {
    case "Replan":
      return replan(db, change, options)
    case "GiveUp":
      return giveUp(db, change.slices, change.reason, options.now)
    case "Finished":
      return finish(db, orderId, change.reason, options.now)
  }
}

const replan = Effect.fnUntraced(function* (db: Db["Service"], change: Replan, options: ChangeOptions) {
  const { plan, carried, waived } = change
  const { orderId, startsAt, endMillis } = plan
  yield* replaceScheduled(db, orderId, plan.revision, options.now)
  if (carried.length > 0 && !(yield* markCarried(db, carried, options.now)))
    return yield* new SlicesChanged({ orderId })
  if (waived.length > 0) yield* waive(db, waived, options.now)
  const windowEnd = DateTime.addDuration(startsAt ?? options.now, Duration.millis(endMillis))
  yield* shortenClaimed(db, orderId, DateTime.addDuration(windowEnd, options.windowGrace), options.now)
  yield* writePlan(db, change, options)
  if (options.asked !== undefined) yield* recordAmendment(db, change, options.asked, options.now)
})

const replaceScheduled = ({ sql, execute }: Db["Service"], orderId: string, revision: number, now: DateTime.Utc) =>
  execute(
    "ReplanStore.replaceScheduled",
    sql`
      UPDATE order_slices SET
        stage = 'SKIPPED', stage_reason = ${`replaced by plan ${revision}`},
        reason_code = ${reasonCode(sql, "replaced_by_plan")}, replaced_by = ${revision}::int,
        updated_at = ${instant(now)}
      WHERE order_id = ${orderId} AND stage = 'SCHEDULED'`
  )

/**
 * Marks the unfilled quantity of slices as carried; false if one is not as it was read. Late arrivals, the broker's last word
 * and repairs change slices that have been sent without a lock of the order.
 */
const markCarried = ({ sql, query }: Db["Service"], carried: ReadonlyArray<RunningSlice>, now: DateTime.Utc) =>
  query(
    "ReplanStore.markCarried",
    Id,
    sql`
      UPDATE order_slices s SET carried_quantity = s.quantity - s.filled_quantity, updated_at = ${instant(now)}
      FROM unnest(
        ${texts(carried.map(({ id }) => id))},
        ${integers(carried.map(({ filledQuantity }) => filledQuantity))},
        ${integers(carried.map(({ carriedQuantity }) => carriedQuantity))}
      ) AS i (id, filled_quantity, carried_quantity)
      WHERE s.id = i.id AND NOT ${isUnfinished(sql, "s")} AND s.filled_quantity = i.filled_quantity
        AND s.carried_quantity = i.carried_quantity
      RETURNING s.id`
  ).pipe(Effect.map((marked) => marked.length === carried.length))

const waive = ({ sql, execute }: Db["Service"], slices: ReadonlyArray<string>, now: DateTime.Utc) =>
  execute(
    "ReplanStore.waive",
    sql`UPDATE order_slices SET is_waived = true, updated_at = ${instant(now)} WHERE id = ANY(${texts(slices)})`
  )

/** Ends the window of claimed slices with the new plan's, for those that are given back. */
const shortenClaimed = ({ sql, execute }: Db["Service"], orderId: string, notAfter: DateTime.Utc, now: DateTime.Utc) =>
  execute(
    "ReplanStore.shortenClaimed",
    sql`
      UPDATE order_slices SET not_after = least(not_after, ${instant(notAfter)}), updated_at = ${instant(now)}
      WHERE order_id = ${orderId} AND stage = 'IN_PROGRESS'`
  )

const writePlan = (
  { sql, execute }: Db["Service"],
  { plan, totalQuantity, limitPrice }: Replan,
  options: ChangeOptions
) =>
  execute(
    "ReplanStore.writePlan",
    sql`
      WITH planned AS (
        UPDATE orders SET
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

const giveUp = ({ sql, execute }: Db["Service"], slices: ReadonlyArray<string>, reason: Reason, now: DateTime.Utc) =>
  execute(
    "ReplanStore.giveUp",
    sql`
      UPDATE order_slices SET
        stage = 'SKIPPED', stage_reason = ${reason.text}, reason_code = ${reason.code}, updated_at = ${instant(now)}
      WHERE id = ANY(${texts(slices)}) AND stage = 'SCHEDULED'`
  )

const finish = ({ sql, execute }: Db["Service"], orderId: string, reason: Reason | null, now: DateTime.Utc) =>
  execute(
    "ReplanStore.finish",
    sql`
      UPDATE orders SET
        settled_at = ${instant(now)}, status_reason = ${reason?.text ?? null}, reason_code = ${reason?.code ?? null}, updated_at = ${instant(now)}
      WHERE id = ${orderId}`
  )
