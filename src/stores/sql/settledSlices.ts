import type { Fragment } from "effect/sql/Statement"
import type { Sql } from "../../db/Db.ts"

/** The slices whose keys are in the column `slice` of `source`, as `SettledSlice` has them. */
export const settledSlices = (sql: Sql, source: string): Fragment => sql`
  SELECT p.id, o.id AS order_id, (p.slice & 1048575)::int AS sequence_number, p.tag,
    CASE WHEN p.revision IS NULL THEN p.request_id ELSE f.request_id END AS request_id,
    CASE WHEN p.revision IS NULL THEN p.trace_id ELSE f.trace_id END AS trace_id,
    CASE WHEN p.revision IS NULL THEN p.validity ELSE f.validity END AS validity,
    CASE WHEN p.revision IS NULL THEN p.product_type ELSE f.product_type END AS product_type,
    CASE WHEN p.revision IS NULL THEN p.market ELSE f.market END AS market,
    s.stage, s.version AS claim_version, s.replaced_by, s.carried AS carried_quantity, p.quantity, s.broker_order_id, s.broker_status,
    s.is_final AS broker_is_final, s.filled AS filled_quantity, s.average_price::text AS average_price,
    ceil(extract(epoch FROM s.acknowledged_at) * 1000)::float8 AS acknowledged_millis,
    s.cancel_sent_at IS NOT NULL OR o.cancel_requested_at IS NOT NULL AS is_cancel_asked
  FROM ${sql.literal(source)} d
  -- OFFSET 0 has the view read one slice at a time: nothing is known of how many of a whole view there are.
  CROSS JOIN LATERAL (SELECT * FROM slice_states WHERE slice = d.slice OFFSET 0) s
  JOIN slice_plan p ON p.slice = d.slice JOIN orders o ON o.number = p.order_number
  LEFT JOIN order_plans f ON f.order_id = o.id AND f.revision = p.revision`
