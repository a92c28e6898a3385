ALTER TABLE orders
  -- What is for good not filled of a slice, or was refused by the broker, goes into later slices.
  ADD COLUMN carry_unfilled boolean NOT NULL DEFAULT false,
  ADD COLUMN carry_rejected boolean NOT NULL DEFAULT false,
  -- At the window's end: REPORT what is missing, or CROSS the spread with a MARKET order for it.
  ADD COLUMN completion text NOT NULL DEFAULT 'REPORT',
  -- When nothing more was left to carry or to complete. From then on status_reason tells why something is missing.
  ADD COLUMN settled_at timestamptz;

CREATE INDEX orders_to_settle ON orders (id)
  WHERE (carry_unfilled OR carry_rejected OR completion = 'CROSS') AND order_queue_status = 'DONE' AND settled_at IS NULL
    AND cancel_requested_at IS NULL AND hold_reason IS NULL;

ALTER TABLE order_slices
  -- The revision of the plan whose slices stand in for this one; it was never sent.
  ADD COLUMN replaced_by integer CHECK (replaced_by IS NULL OR stage = 'SKIPPED'),
  -- What later slices took over of it: of what can no longer be filled. Should the broker fill it after all, the sum shows it.
  ADD COLUMN carried_quantity integer NOT NULL DEFAULT 0
    CHECK (carried_quantity >= 0 AND (carried_quantity = 0 OR stage IN ('PROCESSED', 'FAILED', 'SKIPPED'))),
  -- A person gave it up: nothing makes up for it.
  ADD COLUMN is_waived boolean NOT NULL DEFAULT false;

-- What is over, and not filled as it should be: the slices that a later plan may take over.
CREATE INDEX order_slices_missing ON order_slices (order_id)
  WHERE replaced_by IS NULL AND NOT is_waived AND filled_quantity + carried_quantity < quantity
    AND (stage = 'FAILED' OR (stage = 'PROCESSED' AND broker_is_final));

-- The conservation law, with what was replaced or carried counted once.
CREATE OR REPLACE VIEW order_conservation AS
SELECT o.id AS order_id, o.total_quantity, s.*,
  o.total_quantity - (s.filled + s.working + s.in_doubt + s.scheduled + s.given_up) AS unaccounted
FROM orders o
CROSS JOIN LATERAL (
  SELECT
    coalesce(sum(filled_quantity), 0)::bigint AS filled,
    -- At the broker, and may still be filled.
    coalesce(sum(quantity - filled_quantity) FILTER (WHERE stage = 'PROCESSED' AND NOT broker_is_final), 0)::bigint AS working,
    -- Claimed, or nobody knows: reserved until that is settled.
    coalesce(sum(quantity - filled_quantity) FILTER (WHERE stage = 'IN_PROGRESS'), 0)::bigint AS in_doubt,
    coalesce(sum(quantity - filled_quantity) FILTER (WHERE stage = 'SCHEDULED'), 0)::bigint AS scheduled,
    -- Refused, skipped, or left unfilled at the broker for good, and not carried on.
    coalesce(sum(greatest(quantity - filled_quantity - carried_quantity, 0))
      FILTER (WHERE stage IN ('FAILED', 'SKIPPED') OR (stage = 'PROCESSED' AND broker_is_final)), 0)::bigint AS given_up,
    count(*) FILTER (WHERE filled_quantity + carried_quantity > quantity)::int AS overfilled
  FROM order_slices WHERE order_id = o.id AND replaced_by IS NULL
) s
WHERE o.split_at IS NOT NULL;

-- The progress view leaves out replaced slices, and calls an order working until it is settled.
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
    coalesce(sum(greatest(quantity - filled_quantity - carried_quantity, 0)) FILTER (WHERE NOT is_waived), 0)::bigint AS missing,
    min(not_before) FILTER (WHERE stage IN ('SCHEDULED', 'IN_PROGRESS')) AS next_due_at,
    max(scheduled_at) AS last_due_at,
    max(extract(epoch FROM placed_at - scheduled_at) * 1000)::float8 AS max_lateness_millis
  FROM order_slices
  WHERE order_id = o.id AND replaced_by IS NULL
) s;
