-- What pulse-api's own table orders lacks, where pulse-api has made it: columns that only some commands and reports need, and the
-- defaults that let an INSERT of the contract's columns be enough.
ALTER TABLE orders
  ADD COLUMN IF NOT EXISTS origin_trace_id text,
  ADD COLUMN IF NOT EXISTS origin_trace_source text,
  ADD COLUMN IF NOT EXISTS origin_request_id text,
  ADD COLUMN IF NOT EXISTS origin_request_source text,
  ADD COLUMN IF NOT EXISTS request_id text;

DO $defaults$
DECLARE
  lacking record;
BEGIN
  FOR lacking IN
    SELECT a.attname, d.preset FROM (VALUES
      ('order_queue_status', '''PENDING'''), ('created_at', 'now()'), ('updated_at', 'now()'), ('order_type', '''MARKET'''),
      ('product_type', '''CNC'''), ('validity', '''DAY''')
    ) AS d (name, preset)
    JOIN pg_attribute a ON a.attrelid = 'orders'::regclass AND a.attname = d.name AND NOT a.atthasdef
  LOOP
    EXECUTE format('ALTER TABLE orders ALTER COLUMN %I SET DEFAULT %s', lacking.attname, lacking.preset);
  END LOOP;
  -- An order without a status would wait for ever, and no list would show it.
  IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attname = 'order_queue_status' AND NOT attnotnull) THEN
    IF EXISTS (SELECT FROM orders WHERE order_queue_status IS NULL) THEN
      RAISE EXCEPTION 'orders without an order_queue_status exist. Give them one, DONE for those that are over: '
        'UPDATE orders SET order_queue_status = ''DONE'' WHERE order_queue_status IS NULL';
    END IF;
    ALTER TABLE orders ALTER COLUMN order_queue_status SET NOT NULL;
  END IF;
END
$defaults$;

-- Whoever may not change an order's status may not choose its first one either. An order that arrives as DONE is over for whoever
-- writes it: it is refused, and neither split nor taken for one of this service's.
CREATE OR REPLACE FUNCTION note_arrival_at_pulse_background() RETURNS trigger LANGUAGE plpgsql AS $note$
BEGIN
  IF NEW.order_queue_status <> 'PENDING' AND NOT has_column_privilege(TG_RELID, 'order_queue_status', 'UPDATE') THEN
    RAISE EXCEPTION 'order % must be inserted as PENDING, not %', NEW.id, NEW.order_queue_status
      USING ERRCODE = 'check_violation', HINT = 'Leave order_queue_status out: PENDING is its default.';
  END IF;
  NEW.arrived_as := CASE WHEN NEW.order_queue_status IN ('IN_PROGRESS', 'DONE') THEN NEW.order_queue_status END;
  RETURN NEW;
END
$note$;
