-- A stable code beside each reason in words, for programs: doc/guides/reasons.md lists the codes. Rows from before this
-- migration have none.
ALTER TABLE orders
  -- Of status_reason, and of hold_reason.
  ADD COLUMN reason_code text,
  ADD COLUMN hold_reason_code text;

-- Of stage_reason.
ALTER TABLE order_slices ADD COLUMN reason_code text;

ALTER TABLE notifications ADD COLUMN reason_code text;

-- The progress view with two columns more, at its end: what reads it by name goes on as before.
CREATE OR REPLACE VIEW order_progress AS
SELECT
  o.id AS order_id,
  o.instrument,
  o.side,
  o.total_quantity,
  o.order_queue_status,
  -- How much is missing is told by the slices: an order may still turn up at the broker after all.
  CASE
    WHEN o.settled_at IS NULL THEN o.status_reason
    WHEN s.missing > 0 THEN s.missing || ' are missing' || coalesce(': ' || o.status_reason, '')
  END AS status_reason,
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
    -- Whatever somebody has made of the order's status: what goes on can be stopped.
    WHEN s.scheduled + s.in_progress + s.open > 0 THEN
      CASE
        WHEN o.cancel_requested_at IS NOT NULL THEN 'cancelling'
        WHEN o.hold_reason IS NOT NULL THEN 'held'
        ELSE 'working'
      END
    WHEN o.order_queue_status = 'FAILED' THEN 'failed'
    WHEN o.order_queue_status = 'SKIPPED' THEN
      CASE WHEN o.cancel_requested_at IS NULL THEN 'skipped' ELSE 'cancelled' END
    WHEN s.filled_quantity >= o.total_quantity THEN 'filled'
    WHEN o.cancel_requested_at IS NOT NULL THEN 'cancelled'
    WHEN (o.carry_unfilled OR o.carry_rejected OR o.completion = 'CROSS') AND o.settled_at IS NULL THEN
      CASE WHEN o.hold_reason IS NULL THEN 'working' ELSE 'held' END
    WHEN s.filled_quantity > 0 THEN 'partial'
    ELSE 'unfilled'
  END AS state,
  o.hold_reason,
  -- A code without words is of an earlier state: an older daemon, which knows no codes, has written the row since.
  CASE WHEN o.status_reason IS NOT NULL AND (o.settled_at IS NULL OR s.missing > 0) THEN o.reason_code END AS reason_code,
  CASE WHEN o.hold_reason IS NOT NULL THEN o.hold_reason_code END AS hold_reason_code
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
    coalesce(sum(greatest(quantity - filled_quantity - carried_quantity, 0)) FILTER (WHERE NOT is_waived), 0)::bigint AS missing,
    min(not_before) FILTER (WHERE stage IN ('SCHEDULED', 'IN_PROGRESS')) AS next_due_at,
    max(scheduled_at) AS last_due_at,
    max(extract(epoch FROM placed_at - scheduled_at) * 1000)::float8 AS max_lateness_millis
  FROM order_slices
  WHERE order_id = o.id AND replaced_by IS NULL
) s;
