-- What people did, and why. Each row is written by the statement, or in the transaction, of the change that it tells of.
CREATE TABLE operator_actions (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL,
  -- Who: account@host.
  operator text NOT NULL,
  -- The command, such as order pause.
  action text NOT NULL,
  reason text NOT NULL,
  -- What it was done to; both empty for what concerns everything. They outlive the rows that they name.
  order_id varchar(64),
  slice_id varchar(64),
  -- What came of it.
  details jsonb NOT NULL DEFAULT '{}'
);

CREATE INDEX operator_actions_by_order ON operator_actions (order_id, id) WHERE order_id IS NOT NULL;

CREATE FUNCTION operator_actions_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'operator_actions is append-only: % is not allowed', TG_OP;
END
$$;

CREATE TRIGGER operator_actions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON operator_actions
  FOR EACH STATEMENT EXECUTE FUNCTION operator_actions_are_append_only();

-- Look-ups that served many slices at once: prune finds the old ones.
CREATE INDEX broker_events_of_no_order ON broker_events (called_at) WHERE order_id IS NULL;
