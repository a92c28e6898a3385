-- The algorithm id that the exchange gave for an order's placements; NULL for that of the setting ZERODHA_ALGO_ID, if there is one.
ALTER TABLE orders ADD COLUMN IF NOT EXISTS algo_id text;

-- The product MTF is known now.
CREATE OR REPLACE FUNCTION slice_format(order_type text, product_type text, validity text) RETURNS smallint LANGUAGE sql IMMUTABLE AS $format$
  SELECT CASE WHEN order_type IN ('MARKET', 'LIMIT') AND product_type IN ('CNC', 'MIS', 'NRML', 'MTF') AND validity IN ('DAY', 'IOC')
    THEN 1 ELSE 0 END::smallint
$format$;

-- slice_facts, and the order's algorithm id where it has one.
CREATE FUNCTION slice_facts(
  order_id text, instrument text, side text, order_type text, limit_price numeric, product_type text, validity text, request_id text,
  trace_id text, market text, reference_price numeric, algo_id text
) RETURNS text LANGUAGE sql STABLE AS $facts$
  SELECT CASE WHEN algo_id IS NULL THEN facts ELSE (facts::jsonb || jsonb_build_object('algo_id', algo_id))::text END
  FROM (SELECT jsonb_build_object('order_id', order_id, 'instrument', instrument, 'side', side, 'order_type', order_type,
    'limit_price', limit_price::text, 'product_type', product_type, 'validity', validity, 'request_id', request_id,
    'trace_id', trace_id, 'market', market,
    'reference_price', CASE WHEN limit_price IS NULL THEN reference_price END::text)::text AS facts) of_order
$facts$;
