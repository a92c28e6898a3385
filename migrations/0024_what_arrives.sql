-- A fraction in the INSERT of an order is kept as it is, so that the order can be refused. An integer column rounds it: 11 would be
-- bought for 10.5. The views keep their columns' types. PostgreSQL changes no column that a view reads, so they read nothing
-- meanwhile; dropping them would drop what other programs may do with them.
DO $views$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['order_progress', 'order_conservation'] LOOP
    EXECUTE format('CREATE OR REPLACE VIEW %I AS SELECT ', name) || (
      SELECT string_agg(format('NULL::%s AS %I', format_type(atttypid, atttypmod), attname), ', ' ORDER BY attnum)
      FROM pg_attribute WHERE attrelid = name::regclass AND attnum > 0);
  END LOOP;
END
$views$;

ALTER TABLE orders
  ALTER COLUMN total_quantity TYPE numeric,
  ALTER COLUMN num_splits TYPE numeric,
  ALTER COLUMN duration_minutes TYPE numeric,
  ALTER COLUMN limit_price TYPE numeric,
  ALTER COLUMN max_lateness_seconds TYPE numeric,
  ALTER COLUMN cancel_unfilled_after_seconds TYPE numeric,
  -- The status with which an order arrived that was not PENDING, until the TimeoutMonitor has refused or ignored the order.
  ADD COLUMN arrived_as text,
  -- When a person last took the order off hold. Refusals before that do not put it on hold again.
  ADD COLUMN resumed_at timestamptz;

CREATE INDEX orders_ignored ON orders (updated_at) WHERE reason_code = 'not_pending' AND order_queue_status = 'DONE';
CREATE INDEX orders_held ON orders (held_at) WHERE hold_reason IS NOT NULL;
CREATE INDEX orders_arrived ON orders (id) WHERE arrived_as IS NOT NULL;

CREATE FUNCTION note_arrival_at_pulse_background() RETURNS trigger LANGUAGE plpgsql AS $note$
BEGIN
  NEW.arrived_as := CASE WHEN NEW.order_queue_status IN ('IN_PROGRESS', 'DONE') THEN NEW.order_queue_status END;
  RETURN NEW;
END
$note$;

CREATE TRIGGER orders_arriving BEFORE INSERT ON orders
  FOR EACH ROW WHEN (NEW.order_queue_status <> 'PENDING' OR NEW.arrived_as IS NOT NULL)
  EXECUTE FUNCTION note_arrival_at_pulse_background();

-- The conservation law of the orders that this service has split. Another program may have changed an order's quantity to what
-- is no quantity: it counts as 0 and is NULL here, and the other orders can still be read.
CREATE OR REPLACE VIEW order_conservation AS
SELECT o.id AS order_id, q.total AS total_quantity, s.*,
  coalesce(q.total, 0) - (s.filled + s.working + s.in_doubt + s.scheduled + s.given_up) AS unaccounted
FROM orders o
CROSS JOIN LATERAL (
  SELECT CASE WHEN abs(o.total_quantity) <= 2147483647 AND o.total_quantity = trunc(o.total_quantity)
    THEN o.total_quantity::integer END AS total
) q
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
WHERE o.split_at IS NOT NULL
  -- Another program may have inserted an order with a split_at, and with anything as its quantity.
  AND EXISTS (SELECT FROM order_slices WHERE order_id = o.id);

-- The progress view.
CREATE OR REPLACE VIEW order_progress AS
SELECT
  o.id AS order_id,
  o.instrument,
  o.side,
  -- An integer, as ever; NULL for what is none, which only a FAILED order has.
  CASE WHEN abs(o.total_quantity) <= 2147483647 AND o.total_quantity = trunc(o.total_quantity) THEN o.total_quantity::integer END
    AS total_quantity,
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
