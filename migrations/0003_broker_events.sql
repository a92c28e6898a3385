-- Append-only audit: one row for every broker call. Secrets are never written here.
CREATE TABLE broker_events (
  id text PRIMARY KEY,
  called_at timestamptz NOT NULL,
  duration_millis double precision NOT NULL,
  broker text NOT NULL,
  call text NOT NULL CHECK (call IN ('place', 'find_by_tag', 'cancel')),
  outcome text NOT NULL,
  -- Empty for calls that serve many slices at once.
  order_id varchar(64),
  slice_id varchar(64),
  attempt integer,
  broker_order_id text,
  request jsonb NOT NULL,
  response jsonb NOT NULL,
  worker text NOT NULL
);

CREATE INDEX broker_events_by_order ON broker_events (order_id, called_at) WHERE order_id IS NOT NULL;

CREATE FUNCTION broker_events_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'broker_events is append-only: % is not allowed', TG_OP;
END
$$;

CREATE TRIGGER broker_events_append_only BEFORE UPDATE OR TRUNCATE ON broker_events
  FOR EACH STATEMENT EXECUTE FUNCTION broker_events_are_append_only();
