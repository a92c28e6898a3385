-- The audit shows tampering. Halts, operators' actions and broker calls are written once. Nobody changes them, and only the functions
-- below remove old broker calls, which they record in audit_prunings. A daemon seals what has been written, batch by batch: a
-- digest of each row, and a hash over these and the hash of the seal before it. The command audit verify compares.

-- In the order of writing, in which calls are sealed. It rewrites the table. An index of blocks costs no write of a call anything.
ALTER TABLE broker_calls ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY;
CREATE INDEX broker_calls_by_number ON broker_calls USING brin (number) WITH (autosummarize = on);

-- What the functions below removed.
CREATE TABLE audit_prunings (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL,
  operator text NOT NULL,
  -- The numbers of the rows of broker_calls.
  removed int8multirange NOT NULL CHECK (NOT isempty(removed)),
  transaction xid8 NOT NULL DEFAULT pg_current_xact_id()
);

CREATE TABLE audit_seals (
  -- Without gaps, from 1.
  number bigint PRIMARY KEY,
  table_name text NOT NULL,
  -- Of what the digests are made: see auditTables.ts.
  form smallint NOT NULL,
  sealed_at timestamptz NOT NULL,
  -- The ids of the sealed rows: all of the table that are above those of its seal before and were ever committed, up to `last_id`.
  ids int8multirange NOT NULL CHECK (NOT isempty(ids)),
  last_id bigint NOT NULL,
  -- What the table's counter was when these rows were to be sealed: a row above it was written after that.
  counter bigint NOT NULL,
  -- The first 8 bytes of the digest of each row, in the order of their ids: they name the row that was changed.
  digests bytea NOT NULL,
  -- Over the whole digests.
  rows_hash bytea NOT NULL,
  -- Over all of the above and the hash of the seal before.
  hash bytea NOT NULL
);
-- They are random, so no compression is tried.
ALTER TABLE audit_seals ALTER COLUMN digests SET STORAGE EXTERNAL;
CREATE INDEX audit_seals_by_table ON audit_seals (table_name, number);

-- Where the seals end.
CREATE TABLE audit_head (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  number bigint NOT NULL DEFAULT 0,
  hash bytea NOT NULL DEFAULT '',
  -- The sum of the tables' counters up to which every row is sealed or was never committed.
  covered bigint NOT NULL DEFAULT 0
);
INSERT INTO audit_head DEFAULT VALUES;

CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $guard$
BEGIN
  RAISE EXCEPTION '% is append-only: % is not allowed', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END
$guard$;

CREATE TRIGGER placement_halts_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON placement_halts
  FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_prunings_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_prunings
  FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_seals_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_seals
  FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_head_stays BEFORE DELETE OR TRUNCATE ON audit_head
  FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();

CREATE FUNCTION audit_head_goes_forward() RETURNS trigger LANGUAGE plpgsql AS $guard$
BEGIN
  IF NEW.number < OLD.number OR NEW.covered < OLD.covered OR (NEW.number = OLD.number AND NEW.hash <> OLD.hash) THEN
    RAISE EXCEPTION 'audit_head only goes forward' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END
$guard$;
CREATE TRIGGER audit_head_goes_forward BEFORE UPDATE ON audit_head FOR EACH ROW EXECUTE FUNCTION audit_head_goes_forward();

-- Whoever removes calls, the owner too, leaves a record of each in the same transaction.
CREATE FUNCTION broker_calls_leave_a_record() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $guard$
BEGIN
  IF NOT (SELECT coalesce(range_agg(int8range(number, number + 1)), '{}') FROM gone)
    <@ (SELECT coalesce(range_agg(removed), '{}') FROM audit_prunings WHERE transaction = pg_current_xact_id())
  THEN
    RAISE EXCEPTION 'broker_events is append-only: DELETE is not allowed'
      USING ERRCODE = 'insufficient_privilege', HINT = 'The command prune removes finished orders with their old calls, and records it.';
  END IF;
  RETURN NULL;
END
$guard$;
CREATE TRIGGER broker_calls_leave_a_record AFTER DELETE ON broker_calls REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION broker_calls_leave_a_record();

-- The command prune keeps two days, by a clock that follows this server's.
CREATE FUNCTION audit_may_be_pruned(before timestamptz) RETURNS boolean LANGUAGE plpgsql AS $age$
BEGIN
  IF before > now() - interval '47 hours' THEN
    RAISE EXCEPTION 'broker calls are kept for two days at least' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN true;
END
$age$;

-- Removes the calls of these orders, by number and by id, all of which must have been made before then. Returns how many there were.
CREATE FUNCTION prune_broker_calls(order_numbers bigint[], order_ids text[], before timestamptz, pruned_by text, pruned_at timestamptz)
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS $prune$
DECLARE
  pruned integer;
  latest timestamptz;
BEGIN
  PERFORM audit_may_be_pruned(before);
  WITH planned AS (
    DELETE FROM broker_calls c USING unnest(order_numbers) AS o (number)
    WHERE c.slice > o.number << 20 AND c.slice < (o.number + 1) << 20 RETURNING c.number, c.called_at
  ), unplanned AS (
    DELETE FROM broker_calls c WHERE c.slice IS NULL AND c.order_id = ANY (order_ids) RETURNING c.number, c.called_at
  ), gone AS (
    SELECT * FROM planned UNION ALL SELECT * FROM unplanned
  ), recorded AS (
    INSERT INTO audit_prunings (at, operator, removed)
    SELECT pruned_at, pruned_by, range_agg(int8range(number, number + 1)) FROM gone HAVING count(*) > 0
  )
  SELECT count(*), max(called_at) INTO pruned, latest FROM gone;
  IF latest >= before THEN
    RAISE EXCEPTION 'a broker call of %, which is not before %, was to be removed', latest, before USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN pruned;
END
$prune$;

-- Removes so many calls that served many slices at once, made before then, the oldest first. Returns how many there were.
CREATE FUNCTION prune_broker_look_ups(before timestamptz, at_most integer, pruned_by text, pruned_at timestamptz)
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS $prune$
DECLARE
  pruned integer;
BEGIN
  PERFORM audit_may_be_pruned(before);
  WITH gone AS (
    DELETE FROM broker_calls c WHERE c.id IN (
      SELECT id FROM broker_calls WHERE slice IS NULL AND order_id IS NULL AND called_at < before ORDER BY called_at LIMIT at_most)
    RETURNING c.number
  ), recorded AS (
    INSERT INTO audit_prunings (at, operator, removed)
    SELECT pruned_at, pruned_by, range_agg(int8range(number, number + 1)) FROM gone HAVING count(*) > 0
  )
  SELECT count(*) INTO pruned FROM gone;
  RETURN pruned;
END
$prune$;

-- The highest id that each table has given; 0 before the first. As the owner, so that nobody needs a right on the sequences.
CREATE FUNCTION audit_counters(
  OUT placement_halts bigint, OUT operator_actions bigint, OUT broker_calls bigint, OUT audit_prunings bigint
) LANGUAGE sql SECURITY DEFINER AS $counters$
  SELECT
    (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM placement_halts_id_seq),
    (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM operator_actions_id_seq),
    (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM broker_calls_number_seq),
    (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM audit_prunings_id_seq)
$counters$;

-- Whoever calls these cannot put temporary tables in the place of the audit's.
DO $path$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['broker_calls_leave_a_record', 'prune_broker_calls', 'prune_broker_look_ups', 'audit_counters'] LOOP
    EXECUTE format('ALTER FUNCTION %I SET search_path TO %I, pg_temp', name, current_schema());
  END LOOP;
END
$path$;
REVOKE ALL ON FUNCTION prune_broker_calls, prune_broker_look_ups FROM PUBLIC;

DO $analyze$
BEGIN
  IF EXISTS (SELECT FROM broker_calls) THEN ANALYZE broker_calls; END IF;
END
$analyze$;
