-- Parent orders. pulse-api writes the first block of columns; everything else has a default.
-- The table may already be there, created by pulse-api, with data: then only what is missing is added.
CREATE TABLE IF NOT EXISTS orders (
  id varchar(64) PRIMARY KEY,
  instrument text,
  side text,
  total_quantity integer,
  num_splits integer,
  duration_minutes integer,
  randomize boolean,
  order_unique_key text UNIQUE,
  order_queue_status text NOT NULL DEFAULT 'PENDING',
  origin_trace_id text,
  origin_trace_source text,
  origin_request_id text,
  origin_request_source text,
  request_id text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

-- A time without a zone would silently be read in the database's zone: every slice early or late by hours.
DO $check$
BEGIN
  IF EXISTS (
    SELECT FROM information_schema.columns
    WHERE table_schema = current_schema() AND table_name = 'orders' AND column_name IN ('created_at', 'updated_at')
      AND data_type <> 'timestamp with time zone'
  ) THEN
    RAISE EXCEPTION 'orders.created_at and orders.updated_at must be timestamptz. If they hold UTC: ALTER TABLE orders ALTER COLUMN created_at TYPE timestamptz USING created_at AT TIME ZONE ''UTC'', and the same for updated_at';
  END IF;
END
$check$;

ALTER TABLE orders
  ADD COLUMN IF NOT EXISTS order_type text NOT NULL DEFAULT 'MARKET',
  ADD COLUMN IF NOT EXISTS limit_price numeric(15,4),
  ADD COLUMN IF NOT EXISTS product_type text NOT NULL DEFAULT 'CNC',
  ADD COLUMN IF NOT EXISTS validity text NOT NULL DEFAULT 'DAY',
  -- Why the order is FAILED or SKIPPED, or went back to PENDING.
  ADD COLUMN IF NOT EXISTS status_reason text,
  -- Ownership while IN_PROGRESS; claim_version only ever rises and fences stale owners.
  ADD COLUMN IF NOT EXISTS claim_version integer NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS claimed_by text,
  ADD COLUMN IF NOT EXISTS claimed_at timestamptz,
  ADD COLUMN IF NOT EXISTS split_attempts integer NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS split_at timestamptz,
  ADD COLUMN IF NOT EXISTS cancel_requested_at timestamptz,
  ADD COLUMN IF NOT EXISTS cancel_requested_by text;

ALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_queue_status_known;
ALTER TABLE orders ADD CONSTRAINT orders_queue_status_known
  CHECK (order_queue_status IN ('PENDING', 'IN_PROGRESS', 'DONE', 'FAILED', 'SKIPPED'));

CREATE INDEX IF NOT EXISTS orders_pending ON orders (created_at, id) WHERE order_queue_status = 'PENDING';
CREATE INDEX IF NOT EXISTS orders_in_progress ON orders (claimed_at) WHERE order_queue_status = 'IN_PROGRESS';
CREATE INDEX IF NOT EXISTS orders_created ON orders (created_at DESC);
CREATE INDEX IF NOT EXISTS orders_cancelling ON orders (cancel_requested_at) WHERE cancel_requested_at IS NOT NULL;

-- Wakes the OrderSplitters as soon as an order is committed; they poll as well, so a lost notification only costs time.
CREATE OR REPLACE FUNCTION notify_pulse_background_of_orders() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('pulse_background', 'orders');
  RETURN NULL;
END
$$;

DROP TRIGGER IF EXISTS orders_inserted ON orders;
CREATE TRIGGER orders_inserted AFTER INSERT ON orders
  FOR EACH STATEMENT EXECUTE FUNCTION notify_pulse_background_of_orders();
