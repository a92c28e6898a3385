-- Which history the server writes now: its timeline, which every promotion and every recovery to an earlier point changes, its system
-- identifier where the role may read it, and how many bytes of its log are safely written. Fails on a server in recovery.
CREATE FUNCTION server_history_now(OUT timeline text, OUT system_identifier text, OUT log_position float8)
LANGUAGE plpgsql STABLE AS $now$
DECLARE
  flushed pg_lsn := pg_current_wal_flush_lsn();
BEGIN
  timeline := substr(pg_walfile_name(flushed), 1, 8);
  log_position := pg_wal_lsn_diff(flushed, '0/0');
  IF has_function_privilege('pg_control_system()', 'execute') THEN
    system_identifier := (SELECT s.system_identifier FROM pg_control_system() s);
  END IF;
END
$now$;

-- The history on which all that the broker has is known. Slices are claimed on no other one: what was committed may be missing.
CREATE TABLE server_history (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  timeline text NOT NULL,
  -- Empty: the role could not read it.
  system_identifier text,
  -- Claims have higher versions than this, so that none repeats one of a history that was lost.
  version_base integer NOT NULL DEFAULT 0,
  -- A daemon has looked at the settled history at this time, to a minute.
  seen_at timestamptz,
  -- Since when something may be missing, on which timeline, and why. Empty: the history is settled.
  unsettled_since timestamptz,
  unsettled_timeline text,
  unsettled_reason text,
  CHECK ((unsettled_since IS NULL) = (unsettled_timeline IS NULL) AND (unsettled_since IS NULL) = (unsettled_reason IS NULL))
);
INSERT INTO server_history (timeline, system_identifier) SELECT n.timeline, n.system_identifier FROM server_history_now() n;

-- Broker orders with a tag of ours that no slice has: the split, or the order itself, is lost. A slice that gets such a tag is not
-- sent before the broker order has been looked up.
CREATE TABLE orphaned_tags (
  tag varchar(20) PRIMARY KEY,
  broker_order_ids text[] NOT NULL,
  found_at timestamptz NOT NULL,
  -- Placements were halted for it, and a person has looked at it before they went on.
  is_told boolean NOT NULL DEFAULT false
);
