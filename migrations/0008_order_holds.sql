-- An order on hold: none of its slices is claimed until somebody resumes it.
ALTER TABLE orders
  ADD COLUMN held_at timestamptz,
  ADD COLUMN hold_reason text;

ALTER TABLE order_slices ADD COLUMN is_held boolean NOT NULL DEFAULT false;

-- Slices that the broker has more than one order for. That must never be; each is an alarm, once.
CREATE TABLE double_placements (
  tag varchar(20) PRIMARY KEY,
  order_id varchar(64) NOT NULL,
  slice_id varchar(64) NOT NULL,
  broker_order_ids text[] NOT NULL,
  seen_at timestamptz NOT NULL
);

-- The progress view tells of the hold.
CREATE OR REPLACE VIEW order_progress AS
SELECT
  o.id AS order_id,
  o.instrument,
  o.side,
  o.total_quantity,
  o.order_queue_status,
  o.status_reason,
  o.created_at,
  o.cancel_requested_at,
  s.slices,
  s.scheduled,
  s.in_progress,
  s.unknown,
  s.processed,
  s.failed,
  s.skipped,
  s.open,
  s.placed_quantity,
  s.filled_quantity,
  s.average_price,
  s.next_due_at,
  s.last_due_at,
  s.max_lateness_millis,
  CASE
    WHEN o.order_queue_status = 'PENDING' THEN 'pending'
    WHEN o.order_queue_status = 'IN_PROGRESS' THEN 'splitting'
    WHEN o.order_queue_status = 'FAILED' THEN 'failed'
    WHEN o.order_queue_status = 'SKIPPED' THEN
      CASE WHEN o.cancel_requested_at IS NULL THEN 'skipped' ELSE 'cancelled' END
    WHEN s.scheduled + s.in_progress + s.open > 0 THEN
      CASE
        WHEN o.cancel_requested_at IS NOT NULL THEN 'cancelling'
        WHEN o.hold_reason IS NOT NULL THEN 'held'
        ELSE 'working'
      END
    WHEN s.filled_quantity >= o.total_quantity THEN 'filled'
    WHEN o.cancel_requested_at IS NOT NULL THEN 'cancelled'
    WHEN s.filled_quantity > 0 THEN 'partial'
    ELSE 'unfilled'
  END AS state,
  o.hold_reason
FROM orders o
CROSS JOIN LATERAL (
  SELECT
    count(*)::int AS slices,
    (count(*) FILTER (WHERE stage = 'SCHEDULED'))::int AS scheduled,
    (count(*) FILTER (WHERE stage = 'IN_PROGRESS'))::int AS in_progress,
    (count(*) FILTER (WHERE stage = 'IN_PROGRESS' AND outcome_unknown_at IS NOT NULL))::int AS unknown,
    (count(*) FILTER (WHERE stage = 'PROCESSED'))::int AS processed,
    (count(*) FILTER (WHERE stage = 'FAILED'))::int AS failed,
    (count(*) FILTER (WHERE stage = 'SKIPPED'))::int AS skipped,
    (count(*) FILTER (WHERE stage = 'PROCESSED' AND NOT broker_is_final))::int AS open,
    coalesce(sum(quantity) FILTER (WHERE stage = 'PROCESSED'), 0)::bigint AS placed_quantity,
    coalesce(sum(filled_quantity), 0)::bigint AS filled_quantity,
    round(sum(filled_quantity * average_price) / nullif(sum(filled_quantity) FILTER (WHERE average_price IS NOT NULL), 0), 4)
      AS average_price,
    min(not_before) FILTER (WHERE stage IN ('SCHEDULED', 'IN_PROGRESS')) AS next_due_at,
    max(scheduled_at) AS last_due_at,
    max(extract(epoch FROM placed_at - scheduled_at) * 1000)::float8 AS max_lateness_millis
  FROM order_slices
  WHERE order_id = o.id
) s;
