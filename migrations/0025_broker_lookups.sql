-- Look-ups of the broker's book belong to no order: a report finds those of an order's time by their own. They come in the order
-- of time: a few pages of index for years of rows.
CREATE INDEX broker_events_lookups ON broker_events USING brin (called_at) WHERE order_id IS NULL;
