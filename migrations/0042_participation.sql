-- The slices that may be sent within the share of the market's volume: written with each claim while LIMIT_VOLUME_SHARE_PERCENT is
-- set. A row counts as long as its slice is claimed, and for the period of the limit after it was sent. Kept for an hour.
CREATE TABLE volume_reservations (
  slice bigint PRIMARY KEY,
  instrument text NOT NULL,
  quantity integer NOT NULL CHECK (quantity > 0),
  -- When the slice was claimed.
  at timestamptz NOT NULL
);
CREATE INDEX volume_reservations_by_instrument ON volume_reservations (instrument, at);

ALTER TABLE order_plans
  -- The number of the slice that the plan cuts in two, because the share of the volume allowed only a part of it. Empty: a plan for all
  -- that was not sent.
  ADD COLUMN cut_sequence integer CHECK (cut_sequence > 0),
  DROP CONSTRAINT order_plans_cause_check,
  ADD CONSTRAINT order_plans_cause_check
    CHECK (cause IN ('SPLIT', 'AMENDMENT', 'LATENESS', 'CARRY', 'COMPLETION', 'VOLUME')) NOT VALID;

-- A new order is compared with the unfinished ones of its instrument that have the opposite side. The index has the start of the text
-- only: another program may write one of any length, which no index takes.
CREATE INDEX orders_by_instrument ON orders (left(instrument, 60), split_at) WHERE order_queue_status = 'DONE';
