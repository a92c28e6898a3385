-- Four roles with the least they need. Run it with psql as an administrator of the database, before the first migration or on a
-- database in use, and again whenever you like:
--
--   psql -d pulse -f deploy/postgres/roles.sql
--   psql -d pulse -v schema=trading -v owner=trading_owner -v service=trading -v api=trading_api -v reader=trading_reader \
--     -f deploy/postgres/roles.sql
--
-- owner    owns the service's tables, and runs the command migrate
-- service  the daemon, and all other commands
-- api      pulse-api: inserts orders, and reads what became of them
-- reader   dashboards and people: everything but credentials
--
-- The roles can log in, and get no password here: \password pulse_owner, and so on. What these four may do on the service's tables is
-- set anew by each migration, and PUBLIC may do nothing there; give other programs roles of their own.
\set ON_ERROR_STOP on
\if :{?schema}
\else
  \set schema public
\endif
\if :{?owner}
\else
  \set owner pulse_owner
\endif
\if :{?service}
\else
  \set service pulse_service
\endif
\if :{?api}
\else
  \set api pulse_api
\endif
\if :{?reader}
\else
  \set reader pulse_reader
\endif

BEGIN;

SELECT set_config('pulse.schema', :'schema', true), set_config('pulse.owner', :'owner', true),
  set_config('pulse.service', :'service', true), set_config('pulse.api', :'api', true), set_config('pulse.reader', :'reader', true);

DO $roles$
DECLARE
  schema_name CONSTANT text := current_setting('pulse.schema');
  owner CONSTANT text := current_setting('pulse.owner');
  role text;
  is_new boolean := NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = current_setting('pulse.schema'));
BEGIN
  FOREACH role IN ARRAY ARRAY[owner, current_setting('pulse.service'), current_setting('pulse.api'), current_setting('pulse.reader')] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN EXECUTE format('CREATE ROLE %I LOGIN', role); END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = role AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication)) THEN
      RAISE EXCEPTION '% is a superuser, or may create roles or databases, or replicate: take another role', role;
    END IF;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), role);
  END LOOP;
  -- An administrator who is no superuser can only give to a role, and act for one, that it is a member of.
  IF NOT pg_has_role(owner, 'USAGE') THEN EXECUTE format('GRANT %I TO %I', owner, current_user); END IF;
  EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO %I', current_database(), owner);
  IF is_new THEN EXECUTE format('CREATE SCHEMA %I AUTHORIZATION %I', schema_name, owner); END IF;
  EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', schema_name);
  EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO %I', schema_name, owner);
  FOREACH role IN ARRAY ARRAY[current_setting('pulse.service'), current_setting('pulse.api'), current_setting('pulse.reader')] LOOP
    EXECUTE format('REVOKE ALL ON SCHEMA %I FROM %I', schema_name, role);
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', schema_name, role);
  END LOOP;
  -- Who holds a lock, and how long a transaction has been open, is seen with this alone; doctor says what it could not see without.
  BEGIN
    EXECUTE format('GRANT pg_read_all_stats TO %I', current_setting('pulse.service'));
  EXCEPTION WHEN insufficient_privilege THEN
    RAISE WARNING '% may not grant pg_read_all_stats: doctor and the log will not see the sessions of other users', current_user;
  END;
END
$roles$;

SET LOCAL search_path = :"schema", pg_temp;

-- What the service's statements do to each table and view; a test compares it with the code.
CREATE OR REPLACE FUNCTION pulse_background_rights() RETURNS TABLE (name name, of_service text) LANGUAGE sql IMMUTABLE AS $rights$ VALUES
  -- Append-only.
  ('operator_actions', 'SELECT, INSERT'),
  ('placement_halts', 'SELECT, INSERT'),
  ('broker_calls', 'SELECT, INSERT'),
  ('audit_seals', 'SELECT, INSERT'),
  -- Read-only.
  ('audit_prunings', 'SELECT'),
  ('pulse_background_migrations', 'SELECT'),
  ('broker_events', 'SELECT'),
  ('order_conservation', 'SELECT'),
  ('order_progress', 'SELECT'),
  ('order_slices', 'SELECT'),
  ('slice_places', 'SELECT'),
  ('slice_rows', 'SELECT'),
  ('slice_states', 'SELECT'),
  -- Kept up to date by the service.
  ('audit_head', 'SELECT, UPDATE'),
  ('broker_credentials', 'SELECT, INSERT, UPDATE'),
  ('broker_differences', 'SELECT, INSERT, UPDATE, DELETE'),
  ('broker_in_use', 'SELECT, UPDATE'),
  ('calendar_imports', 'SELECT, INSERT, UPDATE'),
  ('double_placements', 'SELECT, INSERT, UPDATE, DELETE'),
  ('freeze_quantities', 'SELECT, INSERT, UPDATE'),
  ('instrument_changes', 'SELECT, INSERT, DELETE'),
  ('instrument_sync', 'SELECT, UPDATE'),
  ('instruments', 'SELECT, INSERT, UPDATE, DELETE'),
  ('market_quotes', 'SELECT, INSERT, DELETE'),
  ('mock_broker_orders', 'SELECT, INSERT, UPDATE, DELETE'),
  ('notifications', 'SELECT, INSERT, UPDATE, DELETE'),
  ('order_budgets', 'SELECT, UPDATE'),
  ('order_plans', 'SELECT, INSERT, DELETE'),
  ('orders', 'SELECT, INSERT, UPDATE, DELETE'),
  ('orphaned_tags', 'SELECT, INSERT, UPDATE'),
  ('quote_turn', 'SELECT, UPDATE'),
  ('server_history', 'SELECT, UPDATE'),
  ('slice_claims', 'SELECT, INSERT, UPDATE, DELETE'),
  ('slice_plan', 'SELECT, INSERT, DELETE'),
  ('slice_queue', 'SELECT, INSERT, UPDATE, DELETE'),
  ('slice_results', 'SELECT, INSERT, UPDATE, DELETE'),
  ('slice_working', 'SELECT, INSERT, UPDATE, DELETE'),
  ('volume_profiles', 'SELECT, INSERT, UPDATE, DELETE'),
  ('volume_reservations', 'SELECT, INSERT, UPDATE, DELETE'),
  ('workers', 'SELECT, INSERT, UPDATE, DELETE')
$rights$;

-- Called here, and by each migration after its changes.
CREATE OR REPLACE FUNCTION grant_pulse_background_rights(
  service text DEFAULT :'service', api text DEFAULT :'api', reader text DEFAULT :'reader'
) RETURNS void LANGUAGE plpgsql SET search_path TO :"schema", pg_temp AS $grant$
DECLARE
  credentials CONSTANT name[] := ARRAY['broker_credentials'];
  -- What pulse-api may read.
  shown CONSTANT name[] := ARRAY['orders', 'order_progress', 'order_slices'];
  -- What it may write: the columns of the contract, and those that it leaves to pulse-api.
  inserted CONSTANT name[] := ARRAY[
    'id', 'instrument', 'side', 'total_quantity', 'num_splits', 'duration_minutes', 'randomize', 'order_unique_key', 'order_queue_status',
    'origin_trace_id', 'origin_trace_source', 'origin_request_id', 'origin_request_source', 'request_id', 'created_at', 'updated_at',
    'order_type', 'limit_price', 'product_type', 'validity', 'strategy', 'risk_aversion', 'weights', 'plan_seed', 'lateness_policy',
    'max_lateness_seconds', 'cancel_unfilled_after_seconds', 'carry_unfilled', 'carry_rejected', 'completion', 'session_policy', 'algo_id'];
  relation record;
BEGIN
  FOR relation IN
    SELECT c.oid, c.relname AS name, r.name IS NOT NULL AS is_known,
      -- Of a version that this file does not know: the service goes on, and nobody else sees it.
      coalesce(r.of_service, 'SELECT, INSERT, UPDATE, DELETE') AS of_service
    FROM pg_class c LEFT JOIN pulse_background_rights() r ON r.name = c.relname
    WHERE c.relnamespace = quote_ident(current_schema())::regnamespace AND c.relkind IN ('r', 'v')
      AND c.relowner = quote_ident(current_user)::regrole
  LOOP
    EXECUTE format('REVOKE ALL ON %I FROM PUBLIC, %I, %I, %I', relation.name, service, api, reader);
    EXECUTE format('GRANT %s ON %I TO %I', relation.of_service, relation.name, service);
    IF relation.is_known AND relation.name <> ALL (credentials) THEN
      EXECUTE format('GRANT SELECT ON %I TO %I', relation.name, reader);
    END IF;
    IF relation.name = ANY (shown) THEN EXECUTE format('GRANT SELECT ON %I TO %I', relation.name, api); END IF;
    IF relation.name = 'orders' THEN
      EXECUTE (SELECT format('GRANT INSERT (%s) ON orders TO %I', string_agg(quote_ident(attname), ', '), api)
        FROM pg_attribute WHERE attrelid = relation.oid AND attname = ANY (inserted) AND NOT attisdropped);
    END IF;
  END LOOP;
  -- What removes old calls from the audit, and records it.
  FOR relation IN
    SELECT p.oid::regprocedure AS name FROM pg_proc p
    WHERE p.pronamespace = quote_ident(current_schema())::regnamespace AND p.proowner = quote_ident(current_user)::regrole
      AND p.proname IN ('prune_broker_calls', 'prune_broker_look_ups')
  LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC, %I, %I', relation.name, api, reader);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', relation.name, service);
  END LOOP;
END
$grant$;

-- What earlier versions, or pulse-api, have made belongs to the owner from now on: tables with their indexes, views and functions.
DO $owner$
DECLARE
  owner CONSTANT text := current_setting('pulse.owner');
  found record;
BEGIN
  FOR found IN
    SELECT CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END AS kind, c.oid::regclass::text AS name
    FROM pg_class c
    WHERE c.relnamespace = quote_ident(current_schema())::regnamespace AND c.relkind IN ('r', 'v')
      AND c.relowner <> quote_ident(owner)::regrole
      AND c.relname IN (SELECT name FROM pulse_background_rights() UNION ALL VALUES ('order_slices_before'), ('broker_events_before'))
      -- Before the first migration, what else has such a name is another program's.
      AND (c.relname = 'orders' OR to_regclass('pulse_background_migrations') IS NOT NULL)
    UNION ALL SELECT 'FUNCTION', p.oid::regprocedure::text
    FROM pg_proc p
    WHERE p.pronamespace = quote_ident(current_schema())::regnamespace AND p.proowner <> quote_ident(owner)::regrole
      AND (p.proname IN ('slice_facts', 'slice_format', 'slice_instrument', 'server_history_now', 'orders_leave_no_slices',
        'broker_events_are_append_only', 'operator_actions_are_append_only', 'audit_is_append_only', 'audit_head_goes_forward',
        'broker_calls_leave_a_record', 'audit_may_be_pruned', 'prune_broker_calls', 'prune_broker_look_ups', 'audit_counters') OR p.proname LIKE '%pulse_background%')
  LOOP
    EXECUTE format('ALTER %s %s OWNER TO %I', found.kind, found.name, owner);
  END LOOP;
END
$owner$;

SET LOCAL ROLE :"owner";
SELECT grant_pulse_background_rights();

COMMIT;
