-- The mock broker's book. It survives a restart of the daemon as a real broker's book would, so that reconciliation
-- has something to find. There is deliberately no unique tag: a real broker would accept a second order too.
-- Only decisions are stored, never a state: the state at any moment follows from these columns and the time.
CREATE TABLE mock_broker_orders (
  broker_order_id text PRIMARY KEY,
  tag text NOT NULL,
  instrument text NOT NULL,
  side text NOT NULL CHECK (side IN ('BUY', 'SELL')),
  quantity integer NOT NULL CHECK (quantity > 0),
  order_type text NOT NULL CHECK (order_type IN ('MARKET', 'LIMIT')),
  limit_price numeric(15,4),
  product_type text NOT NULL,
  validity text NOT NULL CHECK (validity IN ('DAY', 'IOC')),
  placed_at timestamptz NOT NULL,
  -- Not shown to anybody before this: an order that turns up late.
  visible_at timestamptz NOT NULL,
  opens_at timestamptz NOT NULL,
  -- When the exchange fills fill_quantity at fill_price, or rejects.
  settles_at timestamptz NOT NULL,
  fill_quantity integer NOT NULL CHECK (fill_quantity BETWEEN 0 AND quantity),
  fill_price numeric(15,4) CHECK ((fill_price IS NULL) = (fill_quantity = 0)),
  -- Why it is rejected although it was acknowledged.
  rejection text,
  cancelled_at timestamptz
);

CREATE INDEX mock_broker_orders_by_tag ON mock_broker_orders (tag);
