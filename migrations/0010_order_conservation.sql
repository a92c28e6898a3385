-- The conservation law of each order that has been split: filled + working + in doubt + scheduled + given up = parent. A row whose
-- `unaccounted` is not 0 means that quantity was lost or made up.
CREATE VIEW order_conservation AS
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
    -- Refused, skipped, or left unfilled at the broker for good.
    coalesce(sum(quantity - filled_quantity)
      FILTER (WHERE stage IN ('FAILED', 'SKIPPED') OR (stage = 'PROCESSED' AND broker_is_final)), 0)::bigint AS given_up,
    count(*) FILTER (WHERE filled_quantity > quantity)::int AS overfilled
  FROM order_slices WHERE order_id = o.id
) s
WHERE o.order_queue_status = 'DONE';
