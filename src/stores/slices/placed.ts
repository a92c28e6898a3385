import { BigDecimal, type DateTime, Effect } from "effect"
import type { Db } from "../../db/Db.ts"
import type { DbError } from "../../db/DbError.ts"
import { tellingOfWait } from "../../db/lockWaits.ts"
import type { BrokerOrderId } from "../../domain/model/Ids.ts"
import { foundMoves, isQueuedInDoubt, withBrokerOrder } from "../sql/foundMoves.ts"
import { Id } from "../sql/ids.ts"
import { type Asked, insertActions } from "../sql/insertActions.ts"

/* The command `slice placed`. */

/** A person's finding on a slice that the service could not resolve. */
export interface FoundOrder {
  readonly brokerOrderId: BrokerOrderId
  /** The final filled quantity and its price; null to have the order followed in the broker's order list. */
  readonly fill: { readonly quantity: number; readonly price: BigDecimal.BigDecimal | null } | null
}

export const placed =
  (db: Db["Service"]) =>
  (id: string, order: FoundOrder, asked: Asked, now: DateTime.Utc): Effect.Effect<boolean, DbError> =>
    db.transaction(
      "SliceCommands.placed",
      Effect.gen(function* () {
        yield* lockBrokerOrder(db, order.brokerOrderId)
        const write = writePlaced(db, id, order, asked, now)
        // A slice that moved to another table while the first statement waited for it is found by the second.
        return (yield* write) || (yield* write)
      })
    )

/** Of two people who give one broker order to two slices, the second must see the slice of the first. */
const lockBrokerOrder = (db: Db["Service"], id: BrokerOrderId) =>
  tellingOfWait(
    db,
    { what: `broker order ${id}`, key: ["pulse_background_broker_order", id] },
    db.execute(
      "SliceCommands.lockBrokerOrder",
      db.sql`SELECT pg_advisory_xact_lock(hashtext('pulse_background_broker_order'), hashtext(${id}))`
    )
  )

const writePlaced = (
  { sql, query }: Db["Service"],
  id: string,
  { brokerOrderId, fill }: FoundOrder,
  asked: Asked,
  now: DateTime.Utc
) => {
  const isFinal = sql`NOT i.is_open`
  return query(
    "SliceCommands.placed",
    Id,
    sql`
      WITH input AS MATERIALIZED (
        SELECT p.slice AS key, p.id, p.tag AS sent_tag, o.id AS order_id, ${fill === null}::boolean AS is_open, ${brokerOrderId}::text AS found_order_id,
          CASE WHEN ${fill !== null}::boolean THEN
            CASE WHEN ${fill?.quantity ?? 0}::int = p.quantity THEN 'COMPLETE' ELSE 'CANCELLED' END END AS found_status,
          ${fill?.quantity ?? 0}::int AS found_filled
        FROM slice_plan p JOIN orders o ON o.number = p.order_number
        WHERE p.id = ${id} AND ${fill?.quantity ?? 0}::int <= p.quantity
          AND NOT EXISTS (SELECT FROM ${withBrokerOrder(sql, brokerOrderId)} other WHERE other.slice <> p.slice)
      ), ${foundMoves(sql, {
        queue: isQueuedInDoubt(sql, now),
        // The order list has ceased to tell what becomes of it, or tells what cannot be.
        working: sql`${isFinal} AND w.broker_order_id = i.found_order_id AND w.filled <= i.found_filled
          AND (w.left_book_at IS NOT NULL OR EXISTS (
            SELECT FROM broker_differences d
            WHERE d.tag = i.sent_tag AND d.ended_at IS NULL AND d.kind IN ('absent', 'contradictory', 'price_unknown')))`,
        // It was in doubt, was given up, and nothing replaces it.
        results: sql`${isFinal} AND r.stage IN ('F', 'S') AND r.in_doubt_at IS NOT NULL AND r.replaced_by IS NULL AND r.carried = 0`,
        reason: `found by ${asked.by}: ${asked.reason}`,
        code: "found_by_operator",
        now,
        updates: {
          broker_status_text: sql`broker_status_text`,
          average_price: sql`${fill === null || fill.price === null ? null : BigDecimal.format(fill.price)}::numeric`
        },
        endsDoubt: true,
        answers: "id, order_id"
      })}, recorded AS (${insertActions(
        sql,
        { name: "slice placed", asked, now },
        sql`
          SELECT order_id, id,
            jsonb_build_object('broker_order_id', ${brokerOrderId}::text, 'filled', ${fill?.quantity ?? null}::int)
          FROM found`
      )})
      SELECT id FROM found`
  ).pipe(Effect.map((rows) => rows.length === 1))
}
