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
