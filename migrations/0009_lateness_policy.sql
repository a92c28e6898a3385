-- What becomes of slices that could not be sent in time: SEND them all the same (at once, within the broker's limits), SKIP
-- them, or RESPREAD what is left of the order over what is left of its window.
ALTER TABLE orders
  ADD COLUMN lateness_policy text NOT NULL DEFAULT 'SEND',
  -- How late a slice may be before the policy applies; a minute if not set. SEND knows no limit but the window's.
  ADD COLUMN max_lateness_seconds integer;

ALTER TABLE order_slices
  -- RESPREAD: not claimed any more after this, until it has a new time.
  ADD COLUMN stale_at timestamptz;

CREATE INDEX order_slices_stale ON order_slices (stale_at) WHERE stage = 'SCHEDULED' AND stale_at IS NOT NULL;
