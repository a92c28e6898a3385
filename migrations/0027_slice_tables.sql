-- A slice's life in tables of its own. `slice` is its key everywhere: the number of its order times 2^20, plus its sequence number.
-- slice_plan never changes; the slice is in exactly one of slice_queue (not sent, or not known to be sent), slice_working (open at
-- the broker) and slice_results (over). The views order_slices and broker_events show what the tables of these names were.
--
-- All daemons are stopped meanwhile. Who reads the old tables or the views waits only for the last part, and so does who writes
-- orders. `application_name` in pg_stat_activity tells how far it is.

-- A daemon that starts meanwhile waits for its turn at broker_in_use, and is refused afterwards if it is of a version before this one.
LOCK TABLE workers, broker_in_use, order_plans, order_slices, broker_events IN EXCLUSIVE MODE;

DO $stopped$
DECLARE
  running text;
BEGIN
  SELECT string_agg(DISTINCT instance_id, ', ') INTO running FROM workers
  WHERE heartbeat_at >= clock_timestamp() - stale_after_millis * interval '1 millisecond';
  IF running IS NOT NULL THEN
    RAISE EXCEPTION 'daemons of an older version are running: %. Stop all of them first, and start the new version then. One that '
      'was killed counts as running until its last heartbeat is old, after half a minute', running;
  END IF;
END
$stopped$;

-- What other programs have attached to the old tables would be lost, or would stay with the old tables.
DO $attached$
DECLARE
  attached text;
BEGIN
  SELECT string_agg(DISTINCT regexp_replace(pg_describe_object(classid, objid, 0), '^rule _RETURN on ', ''), ', ') INTO attached
  FROM pg_depend d JOIN pg_class t ON t.oid IN ('order_slices'::regclass, 'broker_events'::regclass)
    AND ((d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid) OR (d.refclassid = 'pg_type'::regclass AND d.refobjid = t.reltype))
  WHERE (d.deptype = 'n' OR d.classid IN ('pg_trigger'::regclass, 'pg_publication_rel'::regclass, 'pg_policy'::regclass))
    AND NOT (d.classid = 'pg_constraint'::regclass AND d.objid IN (SELECT oid FROM pg_constraint WHERE conrelid = t.oid))
    AND NOT (d.classid = 'pg_rewrite'::regclass AND d.objid IN (
      SELECT oid FROM pg_rewrite WHERE ev_class IN ('order_progress'::regclass, 'order_conservation'::regclass)))
    AND NOT (d.classid = 'pg_trigger'::regclass AND d.objid IN (
      SELECT oid FROM pg_trigger WHERE tgname = 'broker_events_append_only'));
  IF attached IS NOT NULL THEN
    RAISE EXCEPTION 'order_slices and broker_events become views, and other things depend on these tables: %. Drop them first; views '
      'can be created again afterwards', attached;
  END IF;
  SELECT string_agg(attrelid::regclass || '.' || attname, ', ') INTO attached FROM pg_attribute
  WHERE attrelid IN ('order_slices'::regclass, 'broker_events'::regclass) AND attnum > 0 AND NOT attisdropped AND attname <> ALL (ARRAY[
    'id', 'order_id', 'sequence_number', 'tag', 'instrument', 'side', 'quantity', 'order_type', 'limit_price', 'product_type',
    'validity', 'request_id', 'trace_id', 'scheduled_at', 'not_before', 'not_after', 'stage', 'stage_reason', 'claim_version',
    'claimed_by', 'claimed_at', 'lease_expires_at', 'attempts', 'outcome_unknown_at', 'placed_at', 'acknowledged_at',
    'broker_order_id', 'broker_status', 'broker_status_text', 'broker_is_final', 'filled_quantity', 'average_price',
    'cancel_sent_at', 'created_at', 'updated_at', 'is_held', 'stale_at', 'replaced_by', 'carried_quantity', 'is_waived', 'market',
    'in_doubt_at', 'left_book_at', 'reason_code',
    'called_at', 'duration_millis', 'broker', 'call', 'outcome', 'slice_id', 'attempt', 'request', 'response', 'worker']);
  IF attached IS NOT NULL THEN
    RAISE EXCEPTION 'order_slices and broker_events become views, and have columns that are not of this service: %. Drop them first, '
      'or keep them in a table of your own', attached;
  END IF;
END
$attached$;

-- Rows that no version of this service has written, and that cannot be kept as they are.
DO $odd$
DECLARE
  odd text;
BEGIN
  SELECT string_agg(id || ': ' || what, '; ') INTO odd FROM (
    SELECT id, what FROM order_slices CROSS JOIN LATERAL (
      SELECT CASE
        WHEN sequence_number > 1048575 THEN 'its sequence number is above 1048575'
        WHEN stage = 'IN_PROGRESS' AND outcome_unknown_at IS NULL AND (claimed_by IS NULL OR lease_expires_at IS NULL)
          THEN 'it is IN_PROGRESS, and nobody has claimed it'
        WHEN stage IN ('SCHEDULED', 'IN_PROGRESS')
          AND (broker_order_id IS NOT NULL OR filled_quantity <> 0 OR carried_quantity <> 0 OR is_waived)
          THEN 'it is ' || stage || ', and has a broker order, or is filled, carried or waived'
      END AS what
    ) found WHERE what IS NOT NULL LIMIT 5
  ) few;
  IF odd IS NOT NULL THEN
    RAISE EXCEPTION 'slices cannot be kept as they are. %. Another program has written them: correct them first', odd;
  END IF;
END
$odd$;

SET LOCAL work_mem = '128MB';
SET LOCAL maintenance_work_mem = '256MB';
SET LOCAL jit = off;
-- Little is known about tables that are just being filled. Whole tables are joined here, and always by hashes.
SET LOCAL enable_nestloop = off;
SET LOCAL enable_mergejoin = off;

-- What is the same for all slices of a plan. Empty in plans of which no slices are left.
ALTER TABLE order_plans
  ADD COLUMN instrument text,
  ADD COLUMN side text,
  ADD COLUMN product_type text,
  ADD COLUMN validity text,
  ADD COLUMN request_id text,
  ADD COLUMN trace_id text,
  -- Whose trading hours the slices keep; empty: any.
  ADD COLUMN market text,
  -- A slice of an earlier plan that is given back is not sent after this.
  ADD COLUMN closes_at timestamptz;

CREATE TABLE slice_plan (
  slice bigint NOT NULL,
  order_number bigint NOT NULL,
  -- When the slice is due, and when its window is over, as planned.
  scheduled_at timestamptz NOT NULL,
  not_after timestamptz NOT NULL,
  quantity integer NOT NULL CHECK (quantity > 0),
  -- The plan that has what is not here. Empty: the slice is older than its order's plans, and has it in the columns below.
  revision integer,
  id varchar(64) NOT NULL,
  tag varchar(20) NOT NULL CHECK (tag ~ '^[A-Za-z0-9]+$'),
  instrument text,
  side text,
  order_type text,
  limit_price numeric(15,4),
  product_type text,
  validity text,
  request_id text,
  trace_id text,
  market text,
  created_at timestamptz,
  CHECK (slice >> 20 = order_number AND slice & 1048575 > 0)
);

-- One row for each claim of a batch of slices: who has them, and until when. Kept until the slices are pruned. What another program
-- has written may lack a part of it.
CREATE TABLE slice_claims (
  id bigint GENERATED BY DEFAULT AS IDENTITY (START WITH 2),
  claimed_at timestamptz,
  lease_expires_at timestamptz,
  -- The due times of its slices: those still claimed are found between them.
  first_due_at timestamptz NOT NULL,
  last_due_at timestamptz NOT NULL,
  -- None of its slices is claimed any more.
  is_over boolean NOT NULL DEFAULT false,
  owner text,
  CHECK (is_over OR (owner IS NOT NULL AND lease_expires_at IS NOT NULL))
);

-- What is not sent, or not known to be sent. A claim changes `claim` and `version` alone, which stand side by side and are in no
-- index: so the row stays on its page, no index is written, and little of it is logged.
CREATE TABLE slice_queue (
  slice bigint NOT NULL,
  -- No placement before this.
  due_at timestamptz NOT NULL,
  -- No placement after this.
  not_after timestamptz NOT NULL,
  -- 0: SCHEDULED. n: IN_PROGRESS, by the claim n. -n: in doubt, once by the claim n (by nobody knows whom, if n is 1).
  claim bigint NOT NULL DEFAULT 0,
  version integer NOT NULL DEFAULT 0,
  quantity integer NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  -- What `facts` holds. 0: what a newer version of the service has written, or a kind that this one does not know.
  format smallint NOT NULL,
  is_held boolean NOT NULL,
  keeps_hours boolean NOT NULL,
  -- Neither limit nor reference price: a MARKET slice of which no price was known.
  is_unpriced boolean NOT NULL,
  tag varchar(20) NOT NULL,
  -- What the executor needs of the order, as JSON.
  facts text NOT NULL,
  -- RESPREAD: not claimed any more after this.
  stale_at timestamptz,
  -- When it was due as planned, where due_at or not_after is another than planned.
  scheduled_at timestamptz,
  unknown_at timestamptz,
  in_doubt_at timestamptz,
  placed_at timestamptz,
  -- Of the last state that was not a claim.
  updated_at timestamptz,
  last_claim bigint,
  -- The plan whose window it keeps, if not its own: a person has given it another one.
  window_revision integer,
  reason text,
  reason_code text,
  CHECK ((claim < 0) = (unknown_at IS NOT NULL))
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01);

-- Open at the broker. Small, so it needs no index.
CREATE TABLE slice_working (
  slice bigint NOT NULL,
  claim bigint,
  placed_at timestamptz,
  acknowledged_at timestamptz,
  version integer NOT NULL,
  attempts integer NOT NULL,
  quantity integer NOT NULL,
  filled integer NOT NULL DEFAULT 0 CHECK (filled >= 0),
  carried integer NOT NULL DEFAULT 0 CHECK (carried >= 0),
  is_waived boolean NOT NULL DEFAULT false,
  broker_order_id text NOT NULL CHECK (btrim(broker_order_id) <> ''),
  broker_status text,
  broker_status_text text,
  average_price numeric(15,4),
  -- Where they differ from the plan.
  due_at timestamptz,
  not_after timestamptz,
  stale_at timestamptz,
  in_doubt_at timestamptz,
  cancel_sent_at timestamptz,
  -- Since then the broker's order list no longer shows it: only a person can tell what became of it.
  left_book_at timestamptz,
  -- Where it is another time than acknowledged_at.
  updated_at timestamptz,
  reason text,
  reason_code text
);

-- Over.
CREATE TABLE slice_results (
  slice bigint NOT NULL,
  claim bigint,
  placed_at timestamptz,
  acknowledged_at timestamptz,
  updated_at timestamptz NOT NULL,
  version integer NOT NULL,
  attempts integer NOT NULL,
  quantity integer NOT NULL,
  filled integer NOT NULL DEFAULT 0 CHECK (filled >= 0),
  -- What later slices took over of it.
  carried integer NOT NULL DEFAULT 0 CHECK (carried >= 0),
  -- PROCESSED, FAILED or SKIPPED.
  stage "char" NOT NULL CHECK (stage IN ('P', 'F', 'S')),
  -- A person gave it up: nothing makes up for it.
  is_waived boolean NOT NULL DEFAULT false,
  broker_order_id text CHECK (btrim(broker_order_id) <> ''),
  broker_status text,
  broker_status_text text,
  average_price numeric(15,4),
  due_at timestamptz,
  not_after timestamptz,
  stale_at timestamptz,
  in_doubt_at timestamptz,
  cancel_sent_at timestamptz,
  left_book_at timestamptz,
  -- The revision of the plan whose slices stand in for this one; it was never sent.
  replaced_by integer CHECK (replaced_by IS NULL OR stage = 'S'),
  reason text,
  reason_code text,
  CHECK (stage <> 'P' OR broker_order_id IS NOT NULL)
);

-- The audit: one row for every broker call, never changed. What the plan or the claim says is left out. Secrets are never written
-- here.
CREATE TABLE broker_calls (
  -- Empty for calls that serve many slices at once.
  slice bigint,
  called_at timestamptz NOT NULL,
  duration_millis double precision NOT NULL,
  -- The claim under which it was made; its owner made the call, unless `worker` says otherwise.
  claim bigint,
  -- How long a placement could wait for its turn.
  deadline timestamptz,
  version integer,
  attempt integer,
  -- place, find_by_tag or cancel.
  call "char" NOT NULL CHECK (call IN ('p', 'f', 'c')),
  broker text NOT NULL,
  broker_order_id text,
  -- Empty for ok.
  outcome text,
  worker text,
  -- Empty for what follows from the other columns.
  response jsonb,
  request jsonb,
  -- Empty for a placement whose outcome moved its slice: it is written with that move, so exactly once.
  id text,
  -- Of calls for slices that are not known here.
  order_id varchar(64),
  slice_id varchar(64)
);

-- What the executor needs of a slice's order: the text of slice_queue.facts in format 1.
CREATE FUNCTION slice_facts(
  order_id text, instrument text, side text, order_type text, limit_price numeric, product_type text, validity text, request_id text,
  trace_id text, market text, reference_price numeric
) RETURNS text LANGUAGE sql STABLE AS $facts$
  SELECT jsonb_build_object('order_id', order_id, 'instrument', instrument, 'side', side, 'order_type', order_type,
    'limit_price', limit_price::text, 'product_type', product_type, 'validity', validity, 'request_id', request_id,
    'trace_id', trace_id, 'market', market,
    'reference_price', CASE WHEN limit_price IS NULL THEN reference_price END::text)::text
$facts$;

-- The format of the facts of a kind of slice: 0 for a kind that this version does not know.
CREATE FUNCTION slice_format(order_type text, product_type text, validity text) RETURNS smallint LANGUAGE sql IMMUTABLE AS $format$
  SELECT CASE WHEN order_type IN ('MARKET', 'LIMIT') AND product_type IN ('CNC', 'MIS', 'NRML') AND validity IN ('DAY', 'IOC')
    THEN 1 ELSE 0 END::smallint
$format$;

-- The slices as they are, into the new tables; indexes afterwards.
SET LOCAL application_name = 'pulse-background 0027: copies slices';

-- Each plan, and the slices from `first` to before `next` are its own.
CREATE TEMPORARY TABLE plan_ranges ON COMMIT DROP AS
SELECT order_id, revision, first_sequence AS first, coalesce(min(first_sequence) OVER (
  PARTITION BY order_id ORDER BY revision ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING), 2147483647) AS next
FROM order_plans;
ANALYZE plan_ranges;

UPDATE order_plans f SET
  instrument = s.instrument, side = s.side, product_type = s.product_type, validity = s.validity, request_id = s.request_id,
  trace_id = s.trace_id, market = s.market
FROM plan_ranges r, order_slices s
WHERE f.order_id = r.order_id AND f.revision = r.revision AND r.first < r.next
  AND s.order_id = r.order_id AND s.sequence_number = r.first;

-- A slice that differs from its plan, or has none, keeps what it has.
INSERT INTO slice_plan (
  slice, order_number, scheduled_at, not_after, quantity, revision, id, tag, instrument, side, order_type, limit_price, product_type,
  validity, request_id, trace_id, market, created_at)
SELECT slice, order_number, scheduled_at, not_after, quantity, CASE WHEN is_as_planned THEN revision END, id, tag,
  CASE WHEN NOT is_as_planned THEN instrument END, CASE WHEN NOT is_as_planned THEN side END,
  CASE WHEN NOT is_as_planned THEN order_type END, CASE WHEN NOT is_as_planned THEN limit_price END,
  CASE WHEN NOT is_as_planned THEN product_type END, CASE WHEN NOT is_as_planned THEN validity END,
  CASE WHEN NOT is_as_planned THEN request_id END, CASE WHEN NOT is_as_planned THEN trace_id END,
  CASE WHEN NOT is_as_planned THEN market END, CASE WHEN NOT is_as_planned THEN created_at END
FROM (
  SELECT (o.number << 20) + s.sequence_number AS slice, o.number AS order_number, f.revision, s.*, f.revision IS NOT NULL
    AND (f.instrument, f.side, f.order_type, f.limit_price, f.product_type, f.validity, f.request_id, f.trace_id, f.market, f.created_at)
      IS NOT DISTINCT FROM
      (s.instrument, s.side, s.order_type, s.limit_price, s.product_type, s.validity, s.request_id, s.trace_id, s.market, s.created_at)
    AS is_as_planned
  FROM order_slices s
  JOIN orders o ON o.id = s.order_id
  LEFT JOIN (plan_ranges r JOIN order_plans f USING (order_id, revision))
    ON r.order_id = s.order_id AND s.sequence_number >= r.first AND s.sequence_number < r.next
  -- Compared once for each slice, not for each column.
  OFFSET 0
) compared
ORDER BY slice;

INSERT INTO slice_claims (claimed_at, lease_expires_at, first_due_at, last_due_at, is_over, owner)
SELECT claimed_at, lease_expires_at, min(not_before), max(not_before),
  NOT bool_or(stage = 'IN_PROGRESS' AND outcome_unknown_at IS NULL), claimed_by
FROM order_slices WHERE claimed_by IS NOT NULL OR claimed_at IS NOT NULL OR lease_expires_at IS NOT NULL
GROUP BY claimed_by, claimed_at, lease_expires_at;
IF EXISTS (SELECT FROM slice_claims) THEN ANALYZE slice_claims; END IF;

CREATE TEMPORARY VIEW moving AS
SELECT s.*, (o.number << 20) + s.sequence_number AS slice, o.reference_price, c.id AS claim
FROM order_slices s
JOIN orders o ON o.id = s.order_id
LEFT JOIN slice_claims c ON coalesce(c.claimed_at, '-infinity') = coalesce(s.claimed_at, '-infinity')
  AND coalesce(c.lease_expires_at, '-infinity') = coalesce(s.lease_expires_at, '-infinity')
  AND coalesce(c.owner, '') = coalesce(s.claimed_by, '');

INSERT INTO slice_queue (
  slice, due_at, not_after, claim, version, quantity, attempts, format, is_held, keeps_hours, is_unpriced, tag, facts, stale_at,
  scheduled_at, unknown_at, in_doubt_at, placed_at, updated_at, last_claim, reason, reason_code)
SELECT slice, not_before, not_after,
  CASE WHEN stage = 'SCHEDULED' THEN 0 WHEN outcome_unknown_at IS NULL THEN claim ELSE -coalesce(claim, 1) END,
  claim_version, quantity, attempts, slice_format(order_type, product_type, validity), is_held, market IS NOT NULL,
  limit_price IS NULL AND reference_price IS NULL, tag,
  slice_facts(order_id, instrument, side, order_type, limit_price, product_type, validity, request_id, trace_id, market, reference_price),
  stale_at, CASE WHEN not_before <> scheduled_at THEN scheduled_at END,
  CASE WHEN stage = 'IN_PROGRESS' THEN outcome_unknown_at END, in_doubt_at, placed_at, updated_at,
  CASE WHEN stage = 'SCHEDULED' THEN claim END, stage_reason, reason_code
FROM moving WHERE stage IN ('SCHEDULED', 'IN_PROGRESS')
ORDER BY not_before, slice;

INSERT INTO slice_working (
  slice, claim, placed_at, acknowledged_at, version, attempts, quantity, filled, carried, is_waived, broker_order_id, broker_status,
  broker_status_text, average_price, due_at, stale_at, in_doubt_at, cancel_sent_at, left_book_at, updated_at, reason, reason_code)
SELECT slice, claim, placed_at, acknowledged_at, claim_version, attempts, quantity, filled_quantity, carried_quantity, is_waived,
  broker_order_id, broker_status, broker_status_text, average_price, nullif(not_before, scheduled_at), stale_at, in_doubt_at,
  cancel_sent_at, left_book_at, updated_at, stage_reason, reason_code
FROM moving WHERE stage = 'PROCESSED' AND NOT broker_is_final;

INSERT INTO slice_results (
  slice, claim, placed_at, acknowledged_at, updated_at, version, attempts, quantity, filled, carried, stage, is_waived,
  broker_order_id, broker_status, broker_status_text, average_price, due_at, stale_at, in_doubt_at, cancel_sent_at, left_book_at,
  replaced_by, reason, reason_code)
SELECT slice, claim, placed_at, acknowledged_at, updated_at, claim_version, attempts, quantity, filled_quantity, carried_quantity,
  left(stage, 1)::"char", is_waived, broker_order_id, broker_status, broker_status_text, average_price,
  nullif(not_before, scheduled_at), stale_at, in_doubt_at, cancel_sent_at, left_book_at, replaced_by, stage_reason, reason_code
FROM moving
WHERE stage IN ('FAILED', 'SKIPPED') OR (stage = 'PROCESSED' AND broker_is_final);
DROP VIEW moving;

SET LOCAL application_name = 'pulse-background 0027: copies broker calls';

-- What names a slice and another order than the slice's is kept as it is.
INSERT INTO broker_calls (
  slice, called_at, duration_millis, version, attempt, call, broker, broker_order_id, outcome, worker, response, request, id, order_id,
  slice_id)
SELECT slice, called_at, duration_millis, version, attempt, left(call, 1)::"char", broker, broker_order_id, nullif(outcome, 'ok'),
  worker, response, request, CASE WHEN version IS NULL THEN id END, CASE WHEN slice IS NULL THEN order_id END,
  CASE WHEN slice IS NULL THEN slice_id END
FROM (
  -- A placement's id is made of the slice's and the claim's version.
  SELECT e.*, p.slice, CASE WHEN p.slice IS NOT NULL AND e.call = 'place' AND starts_with(e.id, e.slice_id || ':place:')
    AND substr(e.id, length(e.slice_id) + 8) ~ '^(0|[1-9][0-9]{0,8})$' THEN substr(e.id, length(e.slice_id) + 8)::integer END AS version
  FROM broker_events e
  LEFT JOIN (slice_plan p JOIN orders o ON o.number = p.order_number) ON p.id = e.slice_id AND o.id = e.order_id
  OFFSET 0
) found;

SET LOCAL application_name = 'pulse-background 0027: makes indexes';

ALTER TABLE slice_plan ADD PRIMARY KEY (slice), ADD UNIQUE (id), ADD UNIQUE (tag);
CREATE INDEX slice_plan_by_order ON slice_plan (order_number);

ALTER TABLE slice_claims ADD PRIMARY KEY (id);
CREATE INDEX slice_claims_under_way ON slice_claims (lease_expires_at) WHERE NOT is_over;

ALTER TABLE slice_queue ADD PRIMARY KEY (slice);
-- The order in which slices are claimed.
CREATE INDEX slice_queue_due ON slice_queue (due_at, slice) WHERE NOT is_held;
CREATE INDEX slice_queue_held ON slice_queue (due_at, slice) WHERE is_held;
CREATE INDEX slice_queue_ending ON slice_queue (not_after);
CREATE INDEX slice_queue_stale ON slice_queue (stale_at) WHERE stale_at IS NOT NULL;
CREATE INDEX slice_queue_unknown ON slice_queue (unknown_at) WHERE unknown_at IS NOT NULL;
CREATE INDEX slice_queue_once_in_doubt ON slice_queue (in_doubt_at) WHERE in_doubt_at IS NOT NULL;

ALTER TABLE slice_working ADD PRIMARY KEY (slice);

ALTER TABLE slice_results ADD PRIMARY KEY (slice);
CREATE INDEX slice_results_by_broker_order ON slice_results (broker_order_id) WHERE broker_order_id IS NOT NULL;
CREATE INDEX slice_results_by_acknowledgement ON slice_results USING brin (acknowledged_at);
CREATE INDEX slice_results_once_in_doubt ON slice_results (in_doubt_at) WHERE in_doubt_at IS NOT NULL;
-- What is over, and not filled as it should be: the slices that a later plan may take over; and those skipped for good.
CREATE INDEX slice_results_missing ON slice_results (slice)
  WHERE replaced_by IS NULL AND NOT is_waived AND filled + carried < quantity AND stage IN ('P', 'F');
CREATE INDEX slice_results_skipped ON slice_results (slice) WHERE stage = 'S' AND replaced_by IS NULL AND NOT is_waived;

CREATE INDEX broker_calls_by_slice ON broker_calls (slice) WHERE slice IS NOT NULL;
CREATE UNIQUE INDEX broker_calls_by_id ON broker_calls (id) WHERE id IS NOT NULL;
CREATE INDEX broker_calls_by_order ON broker_calls (order_id, called_at) WHERE order_id IS NOT NULL;
CREATE INDEX broker_calls_of_no_slice ON broker_calls (called_at) WHERE slice IS NULL AND order_id IS NULL;

CREATE TRIGGER broker_calls_append_only BEFORE UPDATE OR TRUNCATE ON broker_calls
  FOR EACH STATEMENT EXECUTE FUNCTION broker_events_are_append_only();

-- Not the empty ones: until its next ANALYZE, the planner would take such a table for empty, and search it without its indexes.
DO $analyze$
DECLARE
  name text;
  has_rows boolean;
BEGIN
  FOREACH name IN ARRAY ARRAY[
    'order_plans', 'slice_plan', 'slice_claims', 'slice_queue', 'slice_working', 'slice_results', 'broker_calls'
  ] LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM %I)', name) INTO has_rows;
    IF has_rows THEN EXECUTE format('ANALYZE %I', name); END IF;
  END LOOP;
END
$analyze$;

-- Where each slice is now, without what its plan says.
CREATE VIEW slice_states AS
SELECT slice, CASE WHEN claim = 0 THEN 'SCHEDULED' ELSE 'IN_PROGRESS' END AS stage, version,
  CASE WHEN claim = 0 THEN last_claim ELSE abs(claim) END AS claim,
  quantity, attempts, due_at, not_after, stale_at, is_held, unknown_at, in_doubt_at, placed_at,
  NULL::timestamptz AS acknowledged_at, NULL::text AS broker_order_id, NULL::text AS broker_status,
  NULL::text AS broker_status_text, false AS is_final, 0 AS filled, NULL::numeric(15,4) AS average_price,
  NULL::timestamptz AS cancel_sent_at, NULL::timestamptz AS left_book_at, NULL::integer AS replaced_by, 0 AS carried,
  false AS is_waived, updated_at, CASE WHEN claim <= 0 THEN reason END AS reason,
  CASE WHEN claim <= 0 THEN reason_code END AS reason_code
FROM slice_queue
UNION ALL
SELECT slice, 'PROCESSED', version, claim, quantity, attempts, due_at, not_after, stale_at, false, NULL, in_doubt_at, placed_at,
  acknowledged_at, broker_order_id, broker_status, broker_status_text, false, filled, average_price, cancel_sent_at, left_book_at,
  NULL, carried, is_waived, coalesce(updated_at, acknowledged_at), reason, reason_code
FROM slice_working
UNION ALL
SELECT slice, CASE stage WHEN 'P' THEN 'PROCESSED' WHEN 'F' THEN 'FAILED' ELSE 'SKIPPED' END, version, claim, quantity, attempts,
  due_at, not_after, stale_at, false, NULL, in_doubt_at, placed_at, acknowledged_at, broker_order_id, broker_status,
  broker_status_text, stage = 'P', filled, average_price, cancel_sent_at, left_book_at, replaced_by, carried, is_waived, updated_at,
  reason, reason_code
FROM slice_results;

-- Each slice with its plan: order_slices, and the key.
CREATE VIEW slice_rows AS
SELECT p.slice, p.id, o.id AS order_id, (p.slice & 1048575)::integer AS sequence_number, p.tag,
  CASE WHEN p.revision IS NULL THEN p.instrument ELSE f.instrument END AS instrument,
  CASE WHEN p.revision IS NULL THEN p.side ELSE f.side END AS side,
  p.quantity,
  CASE WHEN p.revision IS NULL THEN p.order_type ELSE f.order_type END AS order_type,
  CASE WHEN p.revision IS NULL THEN p.limit_price ELSE f.limit_price END::numeric(15,4) AS limit_price,
  CASE WHEN p.revision IS NULL THEN p.product_type ELSE f.product_type END AS product_type,
  CASE WHEN p.revision IS NULL THEN p.validity ELSE f.validity END AS validity,
  CASE WHEN p.revision IS NULL THEN p.request_id ELSE f.request_id END AS request_id,
  CASE WHEN p.revision IS NULL THEN p.trace_id ELSE f.trace_id END AS trace_id,
  p.scheduled_at, coalesce(s.due_at, p.scheduled_at) AS not_before, coalesce(s.not_after, p.not_after) AS not_after,
  s.stage, s.reason AS stage_reason, s.version AS claim_version,
  c.owner AS claimed_by, c.claimed_at, c.lease_expires_at, s.attempts, s.unknown_at AS outcome_unknown_at, s.placed_at,
  s.acknowledged_at, s.broker_order_id, s.broker_status, s.broker_status_text, s.is_final AS broker_is_final,
  s.filled AS filled_quantity, s.average_price, s.cancel_sent_at,
  CASE WHEN p.revision IS NULL THEN p.created_at ELSE f.created_at END AS created_at,
  CASE WHEN s.stage IN ('SCHEDULED', 'IN_PROGRESS') THEN greatest(s.updated_at, s.unknown_at,
      CASE WHEN s.stage = 'IN_PROGRESS' THEN c.claimed_at END,
      CASE WHEN p.revision IS NULL THEN p.created_at ELSE f.created_at END)
    ELSE s.updated_at END AS updated_at,
  s.is_held, s.stale_at, s.replaced_by, s.carried AS carried_quantity, s.is_waived,
  CASE WHEN p.revision IS NULL THEN p.market ELSE f.market END AS market,
  s.in_doubt_at, s.left_book_at, s.reason_code
FROM slice_plan p
JOIN orders o ON o.number = p.order_number
JOIN slice_states s ON s.slice = p.slice
LEFT JOIN order_plans f ON f.order_id = o.id AND f.revision = p.revision
LEFT JOIN slice_claims c ON c.id = s.claim;

-- Every slice that is not in exactly one of its three tables, or has no plan. There must be none.
CREATE VIEW slice_places AS
SELECT coalesce(p.slice, s.slice) AS slice, p.id, s.places, p.slice IS NOT NULL AS is_planned
FROM slice_plan p
FULL JOIN (
  SELECT slice, count(*)::integer AS places FROM (
    SELECT slice FROM slice_queue UNION ALL SELECT slice FROM slice_working UNION ALL SELECT slice FROM slice_results
  ) found GROUP BY slice
) s ON s.slice = p.slice
WHERE p.slice IS NULL OR s.places IS DISTINCT FROM 1;

SET LOCAL application_name = 'pulse-background 0027: compares slices';

-- Every slice is shown as it was, but for what says nothing in its stage: a hold or an unknown outcome of what is over, words about
-- what was before the claim of what is claimed, traces of a broker order of what is not over, and a time of change before the claim.
CREATE TEMPORARY TABLE different ON COMMIT DROP AS
SELECT s.id
FROM order_slices s LEFT JOIN slice_rows n ON n.id = s.id
WHERE (s.id, s.order_id, s.sequence_number, s.tag, s.instrument, s.side, s.quantity, s.order_type, s.limit_price, s.product_type,
    s.validity, s.request_id, s.trace_id, s.scheduled_at, s.not_before, s.not_after, s.stage, s.claim_version, s.claimed_by,
    s.claimed_at, s.lease_expires_at, s.attempts, s.placed_at, s.broker_order_id, s.filled_quantity, s.created_at, s.stale_at,
    s.replaced_by, s.carried_quantity, s.is_waived, s.market, s.in_doubt_at)
  IS DISTINCT FROM
  (n.id, n.order_id, n.sequence_number, n.tag, n.instrument, n.side, n.quantity, n.order_type, n.limit_price, n.product_type,
    n.validity, n.request_id, n.trace_id, n.scheduled_at, n.not_before, n.not_after, n.stage, n.claim_version, n.claimed_by,
    n.claimed_at, n.lease_expires_at, n.attempts, n.placed_at, n.broker_order_id, n.filled_quantity, n.created_at, n.stale_at,
    n.replaced_by, n.carried_quantity, n.is_waived, n.market, n.in_doubt_at)
  OR CASE WHEN s.stage IN ('SCHEDULED', 'IN_PROGRESS') THEN
    (s.outcome_unknown_at, s.is_held) IS DISTINCT FROM (n.outcome_unknown_at, n.is_held) OR n.updated_at < s.updated_at
  ELSE
    (s.acknowledged_at, s.broker_status, s.broker_status_text, s.average_price, s.cancel_sent_at, s.left_book_at, s.updated_at,
      s.broker_is_final AND s.stage = 'PROCESSED')
    IS DISTINCT FROM
    (n.acknowledged_at, n.broker_status, n.broker_status_text, n.average_price, n.cancel_sent_at, n.left_book_at, n.updated_at,
      n.broker_is_final)
  END
  OR ((s.stage <> 'IN_PROGRESS' OR s.outcome_unknown_at IS NOT NULL)
    AND (s.stage_reason, s.reason_code) IS DISTINCT FROM (n.stage_reason, n.reason_code));

DO $same$
DECLARE
  examples text;
BEGIN
  IF EXISTS (SELECT FROM different) THEN
    SELECT string_agg(s.id || coalesce(' (' || (
      SELECT string_agg(key, ' ' ORDER BY key) FROM jsonb_each(to_jsonb(s)) was WHERE value IS DISTINCT FROM to_jsonb(n) -> key
    ) || ')', ''), ', ') INTO examples
    FROM (SELECT id FROM different LIMIT 5) few JOIN order_slices s USING (id) LEFT JOIN slice_rows n USING (id);
    RAISE EXCEPTION 'slices would not be kept as they are: %', examples;
  END IF;
  IF (SELECT count(*) FROM slice_places) > 0 OR (SELECT count(*) FROM slice_plan) <> (SELECT count(*) FROM order_slices) THEN
    RAISE EXCEPTION 'there would be more slices than before, or fewer';
  END IF;
END
$same$;

-- So are the sums of every order, by which order_progress and order_conservation go.
DO $sums$
DECLARE
  source text[];
  different text;
BEGIN
  FOREACH source SLICE 1 IN ARRAY ARRAY[['sums_before', 'order_slices'], ['sums_now', 'slice_rows']] LOOP
    EXECUTE format($query$
      CREATE TEMPORARY TABLE %I ON COMMIT DROP AS
      SELECT order_id, count(*) AS slices, count(*) FILTER (WHERE stage = 'SCHEDULED') AS scheduled,
        count(*) FILTER (WHERE stage = 'IN_PROGRESS') AS in_progress,
        count(*) FILTER (WHERE stage = 'IN_PROGRESS' AND outcome_unknown_at IS NOT NULL) AS unknown,
        count(*) FILTER (WHERE stage = 'PROCESSED') AS processed, count(*) FILTER (WHERE stage = 'FAILED') AS failed,
        count(*) FILTER (WHERE stage = 'SKIPPED') AS skipped,
        count(*) FILTER (WHERE stage = 'PROCESSED' AND NOT broker_is_final) AS open,
        sum(quantity) FILTER (WHERE stage = 'PROCESSED') AS placed, sum(filled_quantity) AS filled,
        sum(filled_quantity * average_price) AS price, sum(filled_quantity) FILTER (WHERE average_price IS NOT NULL) AS priced,
        sum(greatest(quantity - filled_quantity - carried_quantity, 0)) FILTER (WHERE NOT is_waived) AS missing,
        min(not_before) FILTER (WHERE stage IN ('SCHEDULED', 'IN_PROGRESS')) AS next_due_at, max(scheduled_at) AS last_due_at,
        max(placed_at - scheduled_at) AS lateness,
        sum(quantity - filled_quantity) FILTER (WHERE stage = 'PROCESSED' AND NOT broker_is_final) AS working_quantity,
        sum(quantity - filled_quantity) FILTER (WHERE stage = 'IN_PROGRESS') AS in_doubt_quantity,
        sum(quantity - filled_quantity) FILTER (WHERE stage = 'SCHEDULED') AS scheduled_quantity,
        sum(greatest(quantity - filled_quantity - carried_quantity, 0))
          FILTER (WHERE stage IN ('FAILED', 'SKIPPED') OR (stage = 'PROCESSED' AND broker_is_final)) AS given_up,
        count(*) FILTER (WHERE filled_quantity + carried_quantity > quantity) AS overfilled
      FROM %I WHERE replaced_by IS NULL GROUP BY order_id
    $query$, source[1], source[2]);
  END LOOP;
  SELECT string_agg(order_id, ', ') INTO different FROM (
    SELECT order_id FROM sums_before b FULL JOIN sums_now n USING (order_id) WHERE (b.*) IS DISTINCT FROM (n.*) LIMIT 5
  ) few;
  IF different IS NOT NULL THEN
    RAISE EXCEPTION 'the sums of orders would not be as before: %', different;
  END IF;
  IF (SELECT count(*) FROM broker_calls) <> (SELECT count(*) FROM broker_events) THEN
    RAISE EXCEPTION 'there would be more broker calls than before, or fewer';
  END IF;
END
$sums$;

-- From here on, all wait. What has been done so far is not given up when another transaction uses these tables just now.
SET LOCAL application_name = 'pulse-background 0027: waits for others';
DO $turn$
BEGIN
  FOR attempt IN 1..60 LOOP
    BEGIN
      LOCK TABLE orders, order_slices, broker_events, order_progress, order_conservation, workers IN ACCESS EXCLUSIVE MODE;
      RETURN;
    EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
      PERFORM pg_sleep(1.5);
    END;
  END LOOP;
  RAISE EXCEPTION 'another transaction has used orders, order_slices, broker_events, workers or the views for two minutes: end it, or '
    'wait until it is over';
END
$turn$;

ALTER TABLE order_slices RENAME TO order_slices_before;
ALTER TABLE order_slices_before DROP CONSTRAINT order_slices_order_id_fkey;
ALTER TABLE broker_events RENAME TO broker_events_before;

CREATE VIEW order_slices AS
SELECT id, order_id, sequence_number, tag, instrument, side, quantity, order_type, limit_price, product_type, validity, request_id,
  trace_id, scheduled_at, not_before, not_after, stage, stage_reason, claim_version, claimed_by, claimed_at, lease_expires_at,
  attempts, outcome_unknown_at, placed_at, acknowledged_at, broker_order_id, broker_status, broker_status_text, broker_is_final,
  filled_quantity, average_price, cancel_sent_at, created_at, updated_at, is_held, stale_at, replaced_by, carried_quantity,
  is_waived, market, in_doubt_at, left_book_at, reason_code
FROM slice_rows;

CREATE VIEW broker_events AS
SELECT coalesce(c.id, p.id || ':place:' || c.version) AS id, c.called_at, c.duration_millis, c.broker,
  CASE c.call WHEN 'p' THEN 'place' WHEN 'f' THEN 'find_by_tag' ELSE 'cancel' END AS call,
  coalesce(c.outcome, 'ok') AS outcome, o.id AS order_id, p.id AS slice_id, c.attempt, c.broker_order_id,
  coalesce(c.request, jsonb_build_object('tag', p.tag,
    'instrument', CASE WHEN p.revision IS NULL THEN p.instrument ELSE f.instrument END,
    'side', CASE WHEN p.revision IS NULL THEN p.side ELSE f.side END,
    'quantity', p.quantity,
    'order_type', CASE WHEN p.revision IS NULL THEN p.order_type ELSE f.order_type END,
    'limit_price', trim_scale(CASE WHEN p.revision IS NULL THEN p.limit_price ELSE f.limit_price END)::text,
    'product_type', CASE WHEN p.revision IS NULL THEN p.product_type ELSE f.product_type END,
    'validity', CASE WHEN p.revision IS NULL THEN p.validity ELSE f.validity END,
    'deadline', to_char(c.deadline AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))) AS request,
  coalesce(c.response, jsonb_build_object('broker_order_id', c.broker_order_id)) AS response,
  coalesce(c.worker, l.owner) AS worker
FROM broker_calls c
JOIN slice_plan p ON p.slice = c.slice
JOIN orders o ON o.number = p.order_number
LEFT JOIN order_plans f ON f.order_id = o.id AND f.revision = p.revision
LEFT JOIN slice_claims l ON l.id = c.claim
UNION ALL
SELECT id, called_at, duration_millis, broker, CASE call WHEN 'p' THEN 'place' WHEN 'f' THEN 'find_by_tag' ELSE 'cancel' END,
  coalesce(outcome, 'ok'), order_id, slice_id, attempt, broker_order_id, coalesce(request, '{}'), coalesce(response, '{}'), worker
FROM broker_calls WHERE slice IS NULL;

-- The conservation law of the orders that this service has split. Another program may have changed an order's quantity to what
-- is no quantity: it counts as 0 and is NULL here, and the other orders can still be read.
CREATE OR REPLACE VIEW order_conservation AS
SELECT o.id AS order_id, q.total AS total_quantity, s.*,
  coalesce(q.total, 0) - (s.filled + s.working + s.in_doubt + s.scheduled + s.given_up) AS unaccounted
FROM orders o
CROSS JOIN LATERAL (
  SELECT CASE WHEN abs(o.total_quantity) <= 2147483647 AND o.total_quantity = trunc(o.total_quantity)
    THEN o.total_quantity::integer END AS total
) q
CROSS JOIN LATERAL (
  SELECT
    coalesce(sum(filled), 0)::bigint AS filled,
    -- At the broker, and may still be filled.
    coalesce(sum(quantity - filled) FILTER (WHERE stage = 'PROCESSED' AND NOT is_final), 0)::bigint AS working,
    -- Claimed, or nobody knows: reserved until that is settled.
    coalesce(sum(quantity - filled) FILTER (WHERE stage = 'IN_PROGRESS'), 0)::bigint AS in_doubt,
    coalesce(sum(quantity - filled) FILTER (WHERE stage = 'SCHEDULED'), 0)::bigint AS scheduled,
    -- Refused, skipped, or left unfilled at the broker for good, and not carried on.
    coalesce(sum(greatest(quantity - filled - carried, 0))
      FILTER (WHERE stage IN ('FAILED', 'SKIPPED') OR (stage = 'PROCESSED' AND is_final)), 0)::bigint AS given_up,
    count(*) FILTER (WHERE filled + carried > quantity)::int AS overfilled
  FROM (SELECT st.* FROM slice_plan p JOIN slice_states st ON st.slice = p.slice WHERE p.order_number = o.number
    AND st.slice > (o.number << 20) AND st.slice < ((o.number + 1) << 20)) mine
  WHERE replaced_by IS NULL
) s
WHERE o.split_at IS NOT NULL
  -- Another program may have inserted an order with a split_at, and with anything as its quantity.
  AND EXISTS (SELECT FROM slice_plan WHERE order_number = o.number);

-- The progress view.
CREATE OR REPLACE VIEW order_progress AS
SELECT
  o.id AS order_id,
  o.instrument,
  o.side,
  -- An integer, as ever; NULL for what is none, which only a FAILED order has.
  CASE WHEN abs(o.total_quantity) <= 2147483647 AND o.total_quantity = trunc(o.total_quantity) THEN o.total_quantity::integer END
    AS total_quantity,
  o.order_queue_status,
  -- How much is missing is told by the slices: an order may still turn up at the broker after all.
  CASE
    WHEN o.settled_at IS NULL THEN o.status_reason
    WHEN s.missing > 0 THEN s.missing || ' are missing' || coalesce(': ' || o.status_reason, '')
  END AS status_reason,
  o.created_at,
  o.cancel_requested_at,
  s.slices,
  s.scheduled,
  s.in_progress,
  s.unknown,
  s.processed,
  s.failed,
  s.skipped,
  s.open,
  s.placed_quantity,
  s.filled_quantity,
  s.average_price,
  s.next_due_at,
  s.last_due_at,
  s.max_lateness_millis,
  CASE
    WHEN o.order_queue_status = 'PENDING' THEN 'pending'
    WHEN o.order_queue_status = 'IN_PROGRESS' THEN 'splitting'
    -- Whatever somebody has made of the order's status: what goes on can be stopped.
    WHEN s.scheduled + s.in_progress + s.open > 0 THEN
      CASE
        WHEN o.cancel_requested_at IS NOT NULL THEN 'cancelling'
        WHEN o.hold_reason IS NOT NULL THEN 'held'
        ELSE 'working'
      END
    WHEN o.order_queue_status = 'FAILED' THEN 'failed'
    WHEN o.order_queue_status = 'SKIPPED' THEN
      CASE WHEN o.cancel_requested_at IS NULL THEN 'skipped' ELSE 'cancelled' END
    WHEN s.filled_quantity >= o.total_quantity THEN 'filled'
    WHEN o.cancel_requested_at IS NOT NULL THEN 'cancelled'
    WHEN (o.carry_unfilled OR o.carry_rejected OR o.completion = 'CROSS') AND o.settled_at IS NULL THEN
      CASE WHEN o.hold_reason IS NULL THEN 'working' ELSE 'held' END
    WHEN s.filled_quantity > 0 THEN 'partial'
    ELSE 'unfilled'
  END AS state,
  o.hold_reason,
  -- A code without words is of an earlier state: an older daemon, which knows no codes, has written the row since.
  CASE WHEN o.status_reason IS NOT NULL AND (o.settled_at IS NULL OR s.missing > 0) THEN o.reason_code END AS reason_code,
  CASE WHEN o.hold_reason IS NOT NULL THEN o.hold_reason_code END AS hold_reason_code
FROM orders o
CROSS JOIN LATERAL (
  SELECT
    count(*)::int AS slices,
    (count(*) FILTER (WHERE stage = 'SCHEDULED'))::int AS scheduled,
    (count(*) FILTER (WHERE stage = 'IN_PROGRESS'))::int AS in_progress,
    (count(*) FILTER (WHERE stage = 'IN_PROGRESS' AND unknown_at IS NOT NULL))::int AS unknown,
    (count(*) FILTER (WHERE stage = 'PROCESSED'))::int AS processed,
    (count(*) FILTER (WHERE stage = 'FAILED'))::int AS failed,
    (count(*) FILTER (WHERE stage = 'SKIPPED'))::int AS skipped,
    (count(*) FILTER (WHERE stage = 'PROCESSED' AND NOT is_final))::int AS open,
    coalesce(sum(quantity) FILTER (WHERE stage = 'PROCESSED'), 0)::bigint AS placed_quantity,
    coalesce(sum(filled), 0)::bigint AS filled_quantity,
    round(sum(filled * average_price) / nullif(sum(filled) FILTER (WHERE average_price IS NOT NULL), 0), 4)
      AS average_price,
    coalesce(sum(greatest(quantity - filled - carried, 0)) FILTER (WHERE NOT is_waived), 0)::bigint AS missing,
    min(coalesce(due_at, scheduled_at)) FILTER (WHERE stage IN ('SCHEDULED', 'IN_PROGRESS')) AS next_due_at,
    max(scheduled_at) AS last_due_at,
    max(extract(epoch FROM placed_at - scheduled_at) * 1000)::float8 AS max_lateness_millis
  FROM (
    SELECT st.*, p.scheduled_at FROM slice_plan p JOIN slice_states st ON st.slice = p.slice WHERE p.order_number = o.number
    AND st.slice > (o.number << 20) AND st.slice < ((o.number + 1) << 20)
  ) mine
  WHERE replaced_by IS NULL
) s;

-- Who owned the old tables owns the new ones, and who had rights to them has the same.
DO $rights$
DECLARE
  source record;
  name text;
  given record;
BEGIN
  FOR source IN
    SELECT c.oid, c.relacl, pg_get_userbyid(c.relowner) AS owner, s.views, s.tables FROM (VALUES
      ('order_slices_before', 'order_slices', ARRAY['slice_plan', 'slice_claims', 'slice_queue', 'slice_working', 'slice_results',
        'slice_states', 'slice_rows', 'slice_places']),
      ('broker_events_before', 'broker_events', ARRAY['broker_calls'])
    ) AS s (was, views, tables) JOIN pg_class c ON c.oid = s.was::regclass
  LOOP
    FOREACH name IN ARRAY source.views || source.tables LOOP
      IF source.owner <> (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = name::regclass) THEN
        EXECUTE format('ALTER TABLE %I OWNER TO %I', name, source.owner);
      END IF;
      FOR given IN
        SELECT DISTINCT privilege_type, CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS grantee,
          is_grantable
        FROM aclexplode(source.relacl)
      LOOP
        EXECUTE format('GRANT %s ON %I TO %s', given.privilege_type, name, given.grantee)
          || CASE WHEN given.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END;
      END LOOP;
    END LOOP;
    FOR given IN
      SELECT DISTINCT attname, privilege_type,
        CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS grantee, is_grantable
      FROM pg_attribute CROSS JOIN LATERAL aclexplode(attacl) WHERE attrelid = source.oid AND attnum > 0 AND NOT attisdropped
    LOOP
      EXECUTE format('GRANT %s (%I) ON %I TO %s', given.privilege_type, given.attname, source.views, given.grantee)
        || CASE WHEN given.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END;
    END LOOP;
  END LOOP;
END
$rights$;

-- A daemon of an older version can neither send heartbeats nor claim orders any more; its statements on slices fail.
-- Not valid: rows of daemons that ended without a clean stop are still there.
ALTER TABLE workers
  -- Of the tables that the daemon knows: 1 before this migration.
  ADD COLUMN layout integer NOT NULL DEFAULT 1,
  ADD CONSTRAINT daemon_is_older_than_the_database_upgrade_it CHECK (layout >= 2) NOT VALID;

UPDATE orders SET
  order_queue_status = 'PENDING', claimed_by = NULL, claimed_at = NULL, updated_at = now(),
  split_attempts = CASE WHEN split_attempts > 0 THEN split_attempts - 1 ELSE split_attempts END
WHERE order_queue_status = 'IN_PROGRESS' AND arrived_as IS NULL;
ALTER TABLE orders ADD CONSTRAINT orders_claimed_by_this_layout
  CHECK (order_queue_status <> 'IN_PROGRESS' OR arrived_as IS NOT NULL OR coalesce(claimed_layout, 1) >= 2);

-- The old tables are kept until an operator drops them.
DO $old$
BEGIN
  IF NOT EXISTS (SELECT FROM order_slices_before) THEN DROP TABLE order_slices_before; END IF;
  IF NOT EXISTS (SELECT FROM broker_events_before) THEN DROP TABLE broker_events_before; END IF;
END
$old$;
