-- An order whose plan needs days that the trading calendar does not know yet stays PENDING, with the reason code calendar_ends: its
-- venue, and the last day of it that was known when a splitter looked. It is claimed again by a daemon that knows later ones.
ALTER TABLE orders
  ADD COLUMN calendar_market text,
  ADD COLUMN calendar_until date,
  -- When the window of an order begins that a person had split again with a new start; at created_at otherwise.
  ADD COLUMN restarted_at timestamptz;

-- The orders that are claimed first, and those that wait, which the claim never comes by: it reads those of one venue that wait for
-- days that are known now.
CREATE INDEX orders_to_split ON orders (created_at, id) WHERE order_queue_status = 'PENDING' AND calendar_until IS NULL;
CREATE INDEX orders_waiting ON orders (calendar_market, calendar_until, created_at, id)
  WHERE order_queue_status = 'PENDING' AND calendar_until IS NOT NULL;
DROP INDEX orders_pending;

-- Only this service knows what an order waits for: one that arrives with such a mark would wait for ever.
CREATE FUNCTION orders_arrive_unmarked() RETURNS trigger LANGUAGE plpgsql AS $unmarked$
BEGIN
  NEW.calendar_market := NULL;
  NEW.calendar_until := NULL;
  RETURN NEW;
END
$unmarked$;

CREATE TRIGGER orders_arrive_unmarked BEFORE INSERT ON orders
  FOR EACH ROW WHEN (NEW.calendar_until IS NOT NULL OR NEW.calendar_market IS NOT NULL)
  EXECUTE FUNCTION orders_arrive_unmarked();
