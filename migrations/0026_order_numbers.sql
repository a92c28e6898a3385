-- Each order's number, from which the keys of its slices are made. An identity column needs no right on its sequence, so whoever
-- inserted orders goes on as before. It is a migration of its own, because it rewrites orders: the next one takes longer, and lets
-- others insert orders meanwhile.

-- The next migration needs all daemons stopped. Neither of the two begins otherwise.
DO $stopped$
DECLARE
  running text;
BEGIN
  SELECT string_agg(DISTINCT instance_id, ', ') INTO running FROM workers
  WHERE heartbeat_at >= clock_timestamp() - stale_after_millis * interval '1 millisecond';
  IF running IS NOT NULL THEN
    RAISE EXCEPTION 'daemons of an older version are running: %. Stop all of them first, and start the new version then. One that '
      'was killed counts as running until its last heartbeat is old, after half a minute', running;
  END IF;
END
$stopped$;

ALTER TABLE orders
  ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY,
  -- The layout of the daemon that claimed it.
  ADD COLUMN claimed_layout integer;

CREATE UNIQUE INDEX orders_by_number ON orders (number);
