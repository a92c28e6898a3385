import { Effect } from "effect"
import { Db } from "../../src/db/Db.ts"

/*
 * Tests set up slices and broker calls as rows of the views order_slices and broker_events, as if these were tables: a test
 * says what a slice is, and not in which table it is kept. The service itself never writes through a view.
 */

/** What a column holds that an INSERT does not name. */
const defaults = `
  ALTER VIEW order_slices ALTER COLUMN stage SET DEFAULT 'SCHEDULED';
  ALTER VIEW order_slices ALTER COLUMN claim_version SET DEFAULT 0;
  ALTER VIEW order_slices ALTER COLUMN attempts SET DEFAULT 0;
  ALTER VIEW order_slices ALTER COLUMN broker_is_final SET DEFAULT false;
  ALTER VIEW order_slices ALTER COLUMN filled_quantity SET DEFAULT 0;
  ALTER VIEW order_slices ALTER COLUMN carried_quantity SET DEFAULT 0;
  ALTER VIEW order_slices ALTER COLUMN is_held SET DEFAULT false;
  ALTER VIEW order_slices ALTER COLUMN is_waived SET DEFAULT false;
  ALTER VIEW order_slices ALTER COLUMN created_at SET DEFAULT now();
  ALTER VIEW order_slices ALTER COLUMN updated_at SET DEFAULT now();`

/** Checks that the tables have only for some stages, or not at all. */
const checks = `
  CREATE FUNCTION test_check_slice(n order_slices) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    IF n.stage IS NULL OR n.stage NOT IN ('SCHEDULED', 'IN_PROGRESS', 'PROCESSED', 'FAILED', 'SKIPPED')
      OR (n.stage = 'PROCESSED' AND n.broker_order_id IS NULL) OR n.not_before < n.scheduled_at
      OR (n.stage = 'IN_PROGRESS' AND n.outcome_unknown_at IS NULL AND (n.claimed_by IS NULL OR n.lease_expires_at IS NULL))
      OR (n.stage IN ('SCHEDULED', 'IN_PROGRESS') AND n.carried_quantity > 0)
      OR (n.stage <> 'SKIPPED' AND n.replaced_by IS NOT NULL) THEN
      RAISE check_violation USING MESSAGE = 'no slice can be like this: ' || to_jsonb(n);
    END IF;
  END $$;`

/** The plan's row. What differs from the order's plan, and all that a test inserts, is kept in the row itself. */
const writePlan = `
  CREATE FUNCTION test_write_plan(key bigint, n order_slices, o order_slices) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    IF o.id IS NULL THEN
      INSERT INTO slice_plan (slice, order_number, scheduled_at, not_after, quantity, id, tag, instrument, side, order_type,
        limit_price, product_type, validity, request_id, trace_id, market, created_at)
      VALUES (key, key >> 20, n.scheduled_at, n.not_after, n.quantity, n.id, n.tag, n.instrument, n.side, n.order_type,
        n.limit_price, n.product_type, n.validity, n.request_id, n.trace_id, n.market, n.created_at);
      RETURN;
    END IF;
    UPDATE slice_plan SET slice = key, order_number = key >> 20, scheduled_at = n.scheduled_at, quantity = n.quantity, id = n.id,
      tag = n.tag
    WHERE id = o.id AND (o.order_id, o.sequence_number, o.scheduled_at, o.quantity, o.id, o.tag)
      IS DISTINCT FROM (n.order_id, n.sequence_number, n.scheduled_at, n.quantity, n.id, n.tag);
    UPDATE slice_plan SET revision = NULL, instrument = n.instrument, side = n.side, order_type = n.order_type,
      limit_price = n.limit_price, product_type = n.product_type, validity = n.validity, request_id = n.request_id,
      trace_id = n.trace_id, market = n.market, created_at = n.created_at
    WHERE id = n.id AND (o.instrument, o.side, o.order_type, o.limit_price, o.product_type, o.validity, o.request_id, o.trace_id,
        o.market, o.created_at)
      IS DISTINCT FROM (n.instrument, n.side, n.order_type, n.limit_price, n.product_type, n.validity, n.request_id, n.trace_id,
        n.market, n.created_at);
  END $$;`

/** The claim that the row names, made where there is none: it covers the slice's due time, and is under way if the slice is. */
const findClaim = `
  CREATE FUNCTION test_claim(n order_slices, before bigint) RETURNS bigint LANGUAGE plpgsql AS $$
  DECLARE
    found bigint;
    is_under_way boolean := n.stage = 'IN_PROGRESS' AND n.outcome_unknown_at IS NULL;
  BEGIN
    IF n.claimed_by IS NULL AND n.claimed_at IS NULL AND n.lease_expires_at IS NULL THEN RETURN NULL; END IF;
    SELECT id INTO found FROM slice_claims
    WHERE (owner, claimed_at, lease_expires_at) IS NOT DISTINCT FROM (n.claimed_by, n.claimed_at, n.lease_expires_at)
    ORDER BY id = before DESC NULLS LAST, id LIMIT 1;
    IF found IS NULL THEN
      INSERT INTO slice_claims (owner, claimed_at, lease_expires_at, first_due_at, last_due_at, is_over)
      VALUES (n.claimed_by, n.claimed_at, n.lease_expires_at, n.not_before, n.not_before, NOT is_under_way)
      RETURNING id INTO found;
    END IF;
    IF is_under_way THEN
      UPDATE slice_claims SET first_due_at = least(first_due_at, n.not_before), last_due_at = greatest(last_due_at, n.not_before),
        is_over = false
      WHERE id = found AND (is_over OR n.not_before NOT BETWEEN first_due_at AND last_due_at);
    END IF;
    RETURN found;
  END $$;`

/** A row that stays in its table is changed in place, so that who waits for it sees the change. */
const writeState = `
  CREATE FUNCTION test_write_state(key bigint, n order_slices, claim_id bigint, is_new boolean, is_changed boolean) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE
    p slice_plan;
    price numeric;
    is_queued boolean := n.stage IN ('SCHEDULED', 'IN_PROGRESS');
    is_working boolean := n.stage = 'PROCESSED' AND NOT n.broker_is_final;
    q slice_queue;
    w slice_working;
    r slice_results;
  BEGIN
    SELECT * INTO p FROM slice_plan WHERE slice = key;
    SELECT reference_price INTO price FROM orders WHERE number = p.order_number;
    IF is_queued THEN
      IF NOT is_new THEN SELECT * INTO q FROM slice_queue WHERE slice = key; END IF;
      IF q.slice IS NULL OR is_changed THEN
        q.facts := slice_facts(n.order_id, n.instrument, n.side, n.order_type, n.limit_price, n.product_type, n.validity,
          n.request_id, n.trace_id, n.market, price);
        q.format := slice_format(n.order_type, n.product_type, n.validity);
        q.keeps_hours := n.market IS NOT NULL;
        q.is_unpriced := n.limit_price IS NULL AND price IS NULL;
      END IF;
      q.slice := key; q.due_at := n.not_before; q.not_after := n.not_after; q.version := n.claim_version;
      q.claim := CASE WHEN n.stage = 'SCHEDULED' THEN 0 WHEN n.outcome_unknown_at IS NULL THEN claim_id ELSE -coalesce(claim_id, 1) END;
      q.last_claim := CASE WHEN n.stage = 'SCHEDULED' THEN claim_id END;
      q.quantity := n.quantity; q.attempts := n.attempts; q.is_held := n.is_held; q.tag := n.tag; q.stale_at := n.stale_at;
      q.scheduled_at := CASE WHEN n.not_before <> p.scheduled_at OR n.not_after <> p.not_after THEN p.scheduled_at END;
      q.unknown_at := CASE WHEN n.stage = 'IN_PROGRESS' THEN n.outcome_unknown_at END;
      q.in_doubt_at := n.in_doubt_at; q.placed_at := n.placed_at; q.updated_at := n.updated_at; q.reason := n.stage_reason;
      q.reason_code := n.reason_code;
    ELSIF is_working THEN
      w := (key, claim_id, n.placed_at, n.acknowledged_at, n.claim_version, n.attempts, n.quantity,
        n.filled_quantity, n.carried_quantity, n.is_waived, n.broker_order_id, n.broker_status, n.broker_status_text,
        n.average_price, nullif(n.not_before, p.scheduled_at), nullif(n.not_after, p.not_after), n.stale_at, n.in_doubt_at,
        n.cancel_sent_at, n.left_book_at, n.updated_at, n.stage_reason, n.reason_code);
      -- No view shows these: they stay as they are.
      SELECT cancel_tries, cancel_refusal, cancel_refusal_code INTO w.cancel_tries, w.cancel_refusal, w.cancel_refusal_code
      FROM slice_working WHERE slice = key;
      w.cancel_tries := coalesce(w.cancel_tries, 0);
    ELSE
      r := (key, claim_id, n.placed_at, n.acknowledged_at, n.updated_at, n.claim_version, n.attempts, n.quantity,
        n.filled_quantity, n.carried_quantity, left(n.stage, 1)::"char", n.is_waived, n.broker_order_id, n.broker_status,
        n.broker_status_text, n.average_price, nullif(n.not_before, p.scheduled_at), nullif(n.not_after, p.not_after), n.stale_at,
        n.in_doubt_at, n.cancel_sent_at, n.left_book_at, n.replaced_by, n.stage_reason, n.reason_code);
    END IF;
    IF NOT is_new THEN
      DELETE FROM slice_queue WHERE slice = key AND NOT is_queued;
      DELETE FROM slice_working WHERE slice = key AND NOT is_working;
      DELETE FROM slice_results WHERE slice = key AND (is_queued OR is_working);
    END IF;
    IF is_queued THEN PERFORM test_put_slice_queue(q);
    ELSIF is_working THEN PERFORM test_put_slice_working(w);
    ELSE PERFORM test_put_slice_results(r);
    END IF;
  END $$;`

/** For each table a function that inserts a row or, where the slice is already in it, changes that one. */
const puts = `
  PERFORM test_make_put(name) FROM unnest('{slice_queue,slice_working,slice_results}'::text[]) AS name;`

const makePut = `
  CREATE FUNCTION test_make_put(table_name text) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    EXECUTE (
      SELECT format('CREATE FUNCTION test_put_%1$s(r %1$s) RETURNS void LANGUAGE plpgsql AS $put$ BEGIN
          INSERT INTO %1$s SELECT r.* ON CONFLICT (slice) DO UPDATE SET %2$s; END $put$', table_name,
        string_agg(format('%1$I = excluded.%1$I', attname), ', '))
      FROM pg_attribute
      WHERE attrelid = table_name::regclass AND attnum > 0 AND NOT attisdropped AND attname <> 'slice');
  END $$;`

const writeSlice = `
  CREATE FUNCTION test_write_slice(n order_slices, o order_slices) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE
    key bigint := (SELECT (number << 20) + n.sequence_number FROM orders WHERE id = n.order_id);
    key_before bigint;
    claim_before bigint;
  BEGIN
    IF o.id IS NOT NULL THEN
      SELECT slice INTO key_before FROM slice_plan WHERE id = o.id;
      SELECT claim INTO claim_before FROM slice_states WHERE slice = key_before;
    END IF;
    IF key IS NULL THEN
      RAISE foreign_key_violation USING MESSAGE = 'there is no order ' || coalesce(n.order_id, '(null)');
    END IF;
    PERFORM test_check_slice(n);
    PERFORM test_write_plan(key, n, o);
    IF key_before <> key THEN
      UPDATE slice_queue SET slice = key WHERE slice = key_before;
      UPDATE slice_working SET slice = key WHERE slice = key_before;
      UPDATE slice_results SET slice = key WHERE slice = key_before;
    END IF;
    PERFORM test_write_state(key, n, test_claim(n, claim_before), o.id IS NULL,
      (o.instrument, o.side, o.order_type, o.limit_price, o.product_type, o.validity, o.request_id, o.trace_id, o.market)
        IS DISTINCT FROM
      (n.instrument, n.side, n.order_type, n.limit_price, n.product_type, n.validity, n.request_id, n.trace_id, n.market));
  END $$;

  -- One plan for all rows, made while the tables may be small.
  CREATE FUNCTION test_slices() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
  DECLARE
    key bigint;
    latest order_slices;
  BEGIN
    IF TG_OP = 'INSERT' THEN
      PERFORM test_write_slice(NEW, NULL);
    ELSIF TG_OP = 'UPDATE' THEN
      SELECT slice INTO key FROM slice_plan WHERE id = OLD.id;
      PERFORM FROM slice_queue WHERE slice = key FOR UPDATE;
      PERFORM FROM slice_working WHERE slice = key FOR UPDATE;
      PERFORM FROM slice_results WHERE slice = key FOR UPDATE;
      SELECT * INTO latest FROM order_slices WHERE id = OLD.id;
      -- Another transaction has changed the slice since the statement began: it stays as that one left it.
      IF latest IS DISTINCT FROM OLD THEN RETURN NULL; END IF;
      PERFORM test_write_slice(NEW, OLD);
    ELSE
      DELETE FROM slice_plan WHERE id = OLD.id RETURNING slice INTO key;
      DELETE FROM slice_queue WHERE slice = key;
      DELETE FROM slice_working WHERE slice = key;
      DELETE FROM slice_results WHERE slice = key;
      RETURN OLD;
    END IF;
    RETURN NEW;
  END $$;

  CREATE TRIGGER test_writable INSTEAD OF INSERT OR UPDATE OR DELETE ON order_slices
    FOR EACH ROW EXECUTE FUNCTION test_slices();`

const events = `
  CREATE FUNCTION test_events() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE
    key bigint;
  BEGIN
    SELECT slice INTO key FROM slice_plan WHERE id = NEW.slice_id;
    INSERT INTO broker_calls (id, called_at, duration_millis, broker, call, outcome, attempt, broker_order_id, request, response,
      worker, slice, order_id, slice_id)
    VALUES (NEW.id, NEW.called_at, NEW.duration_millis, NEW.broker, left(NEW.call, 1)::"char", nullif(NEW.outcome, 'ok'), NEW.attempt,
      NEW.broker_order_id, NEW.request, NEW.response, NEW.worker, key, CASE WHEN key IS NULL THEN NEW.order_id END,
      CASE WHEN key IS NULL THEN NEW.slice_id END);
    RETURN NEW;
  END $$;

  CREATE TRIGGER test_writable INSTEAD OF INSERT ON broker_events FOR EACH ROW EXECUTE FUNCTION test_events();`

/** Lets a migrated database's views order_slices and broker_events be written as if they were tables. */
export const makeSlicesWritable = Effect.gen(function* () {
  const { execute, sql } = yield* Db
  for (const text of [defaults, checks, writePlan, findClaim, makePut, puts, writeState, writeSlice, events]) {
    yield* execute("test.makeSlicesWritable", sql.unsafe(`DO $writable$ BEGIN\n${text}\nEND $writable$`))
  }
})

/** Removes all slices and their calls, and with them their orders. */
export const emptySlices = Effect.gen(function* () {
  const { execute, sql } = yield* Db
  yield* execute(
    "test.emptySlices",
    sql`TRUNCATE slice_queue, slice_working, slice_results, slice_plan, slice_claims, order_plans, orders`
  )
})
