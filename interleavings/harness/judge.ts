import { Effect, Schema } from "effect"
import type { Db } from "../../src/db/Db.ts"
import type { DbError } from "../../src/db/DbError.ts"

const Problem = Schema.Struct({ problem: Schema.String })

/**
 * What must hold at every moment in which no transaction is open, whatever has happened: the sums of every order, and that
 * each order, plan and slice is in a state that some worker or person takes further. It reads the columns that are promised
 * to other services, and that every slice is in one table. Returns what does not hold.
 */
export const brokenInvariants = ({ sql, query }: Db["Service"]): Effect.Effect<ReadonlyArray<string>, DbError> =>
  query(
    "interleavings.judge",
    Problem,
    sql`
      WITH conservation AS MATERIALIZED (SELECT * FROM order_conservation),
        slices AS MATERIALIZED (SELECT * FROM order_slices)
      SELECT concat('order ', order_id, ': ', unaccounted, ' of its quantity are unaccounted for') AS problem
      FROM conservation WHERE unaccounted <> 0
      UNION ALL SELECT concat('order ', order_id, ': ', overfilled, ' slices are filled beyond their quantity')
      FROM conservation WHERE overfilled > 0
      UNION ALL SELECT concat('slice ', s.id, ' is SCHEDULED, and its order is cancelled')
      FROM slices s JOIN orders o ON o.id = s.order_id
      WHERE s.stage = 'SCHEDULED' AND o.cancel_requested_at IS NOT NULL
      UNION ALL SELECT concat('slice ', s.id, ' is SCHEDULED, and its hold is not its order''s')
      FROM slices s JOIN orders o ON o.id = s.order_id
      WHERE s.stage = 'SCHEDULED' AND s.is_held <> (o.hold_reason IS NOT NULL)
      UNION ALL SELECT concat('slice ', id, ' is both replaced and ', stage)
      FROM slices WHERE replaced_by IS NOT NULL AND (stage <> 'SKIPPED' OR broker_order_id IS NOT NULL)
      UNION ALL SELECT concat('slice ', id, ' is ', stage, ', and has the broker order ', broker_order_id)
      FROM slices WHERE (broker_order_id IS NOT NULL) <> (stage = 'PROCESSED')
      UNION ALL SELECT concat('broker order ', broker_order_id, ' belongs to ', count(*), ' slices')
      FROM slices WHERE broker_order_id IS NOT NULL GROUP BY broker_order_id HAVING count(*) > 1
      UNION ALL SELECT concat('slice ', id, ' is IN_PROGRESS without an owner')
      FROM slices
      WHERE stage = 'IN_PROGRESS' AND (claimed_by IS NULL OR (lease_expires_at IS NULL AND outcome_unknown_at IS NULL))
      UNION ALL SELECT concat('order ', o.id, ' is finished, and slice ', s.id, ' is ', s.stage)
      FROM slices s JOIN orders o ON o.id = s.order_id
      WHERE o.settled_at IS NOT NULL AND s.stage IN ('SCHEDULED', 'IN_PROGRESS')
      UNION ALL SELECT concat('order ', id, ' is IN_PROGRESS without an owner')
      FROM orders WHERE order_queue_status = 'IN_PROGRESS' AND (claimed_by IS NULL OR claimed_at IS NULL)
      UNION ALL SELECT concat('order ', o.id, ' is ', order_queue_status, ', and has ', p.plans, ' plans')
      FROM orders o CROSS JOIN LATERAL (SELECT count(*) AS plans FROM order_plans WHERE order_id = o.id) p
      WHERE (o.order_queue_status = 'DONE') <> (p.plans > 0)
      UNION ALL SELECT concat('order ', order_id, ': its plans are numbered ', array_agg(revision ORDER BY revision))
      FROM order_plans GROUP BY order_id HAVING min(revision) <> 1 OR max(revision) <> count(*)
      UNION ALL SELECT concat('slice ', id, ' is replaced by plan ', replaced_by, ', which does not exist')
      FROM slices s
      WHERE replaced_by IS NOT NULL
        AND NOT EXISTS (SELECT FROM order_plans p WHERE p.order_id = s.order_id AND p.revision = s.replaced_by)
      UNION ALL SELECT concat('order ', order_id, ': its slices are numbered up to ', max(sequence_number), ', and are ', count(*))
      FROM slices GROUP BY order_id HAVING max(sequence_number) <> count(*)
      UNION ALL SELECT concat('slice ', slice, ' (', id, ') is in ', places, ' tables, planned: ', is_planned) FROM slice_places
      UNION ALL SELECT concat('slice ', slice, ' has the claim ', claim, ', which is not there, or over')
      FROM slice_queue q
      WHERE claim > 0 AND NOT EXISTS (SELECT FROM slice_claims c
        WHERE c.id = q.claim AND NOT c.is_over AND q.due_at BETWEEN c.first_due_at AND c.last_due_at AND NOT q.is_held)
      UNION ALL SELECT concat('slice ', p.id, ' of plan ', p.revision, ' is sent until after the window of plan ', f.revision)
      FROM slice_queue q JOIN slice_plan p USING (slice) JOIN orders o ON o.number = p.order_number
      JOIN order_plans f ON f.order_id = o.id AND f.revision > coalesce(q.window_revision, p.revision)
      WHERE q.claim = 0 AND q.not_after > f.closes_at
      UNION ALL SELECT concat('broker call ', id, ' is ', count(*), ' times in the audit')
      FROM broker_events GROUP BY id HAVING count(*) > 1`
  ).pipe(Effect.map((rows) => rows.map(({ problem }) => problem)))
