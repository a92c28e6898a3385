-- Whoever removes broker calls, the owner too, leaves a record of each in the same transaction, as before, and keeps those of the
-- last two days, which until now only the functions of prune did.
CREATE OR REPLACE FUNCTION broker_calls_leave_a_record() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $guard$
BEGIN
  IF NOT (SELECT coalesce(range_agg(int8range(number, number + 1)), '{}') FROM gone)
    <@ (SELECT coalesce(range_agg(removed), '{}') FROM audit_prunings WHERE transaction = pg_current_xact_id())
  THEN
    RAISE EXCEPTION 'broker_events is append-only: DELETE is not allowed'
      USING ERRCODE = 'insufficient_privilege', HINT = 'The command prune removes finished orders with their old calls, and records it.';
  END IF;
  PERFORM audit_may_be_pruned((SELECT max(called_at) FROM gone));
  RETURN NULL;
END
$guard$;

DO $path$
BEGIN
  EXECUTE format('ALTER FUNCTION broker_calls_leave_a_record SET search_path TO %I, pg_temp', current_schema());
END
$path$;
