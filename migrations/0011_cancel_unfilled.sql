-- A slice's broker order that is not filled so long after it was acknowledged is cancelled; empty: it is left in the market.
ALTER TABLE orders ADD COLUMN cancel_unfilled_after_seconds integer;
