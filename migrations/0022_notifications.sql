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
