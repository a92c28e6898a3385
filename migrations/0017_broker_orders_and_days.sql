-- A slice without its broker order's id can neither be followed nor cancelled. What may still be filled is in doubt again: it is
-- looked for by its tag, or left to a person.
UPDATE order_slices SET
  stage = 'IN_PROGRESS', outcome_unknown_at = acknowledged_at, broker_order_id = NULL, claim_version = claim_version + 1
WHERE stage = 'PROCESSED' AND NOT broker_is_final AND btrim(broker_order_id) = '';
UPDATE order_slices SET broker_order_id = 'not known' WHERE btrim(broker_order_id) = '';
ALTER TABLE order_slices ADD CONSTRAINT order_slices_broker_order_id_check CHECK (btrim(broker_order_id) <> '');

-- Whose a broker order is.
CREATE INDEX order_slices_by_broker_order ON order_slices (broker_order_id) WHERE broker_order_id IS NOT NULL;

-- A day's slices and orders. They come in the order of time: a few pages of index for years of rows.
CREATE INDEX order_slices_by_claim ON order_slices USING brin (claimed_at);
CREATE INDEX order_slices_by_acknowledgement ON order_slices USING brin (acknowledged_at);
CREATE INDEX orders_by_split ON orders USING brin (split_at);
