-- What people are to be told of by a webhook, each fact once: whoever finds it first writes it here, one daemon delivers it.
CREATE TABLE notifications (
  -- The fact, such as halt:7.
  key text PRIMARY KEY,
  kind text NOT NULL,
  severity text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
  message text NOT NULL,
  order_id varchar(64),
  slice_id varchar(64),
  found_at timestamptz NOT NULL,
  -- Deliveries tried so far; none before next_attempt_at.
  attempts integer NOT NULL DEFAULT 0,
  next_attempt_at timestamptz NOT NULL,
  last_error text,
  delivered_at timestamptz,
  given_up_at timestamptz
);

CREATE INDEX notifications_to_deliver ON notifications (next_attempt_at) WHERE delivered_at IS NULL AND given_up_at IS NULL;

-- Orders that are over and lack something are looked for every minute: what was skipped for good, like order_slices_missing, and
-- what was never split. Claims and acknowledgements write no entry here, and no column is in an index only because of it.
CREATE INDEX order_slices_skipped ON order_slices (order_id) WHERE stage = 'SKIPPED' AND replaced_by IS NULL AND NOT is_waived;
CREATE INDEX orders_never_split ON orders (updated_at)
  WHERE order_queue_status IN ('FAILED', 'SKIPPED') AND cancel_requested_at IS NULL;
