-- What instruments cost, and how much of them had been traded that day, as of a moment. The monitor writes it; another
-- service may, too. Kept for an hour.
CREATE TABLE market_quotes (
  instrument text NOT NULL,
  at timestamptz NOT NULL CHECK (isfinite(at)),
  -- The upper limit keeps NaN out, which is above everything.
  last_price numeric NOT NULL CHECK (last_price > 0 AND last_price < 100000000000),
  -- In units, since the trading day began; empty where nobody says.
  day_volume bigint CHECK (day_volume >= 0),
  source text NOT NULL,
  PRIMARY KEY (instrument, at)
);

CREATE INDEX market_quotes_at ON market_quotes (at);

-- When some replica last took the turn to ask the broker for quotes: brokers count such requests by account.
CREATE TABLE quote_turn (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  taken_at timestamptz NOT NULL DEFAULT '-infinity'
);

INSERT INTO quote_turn DEFAULT VALUES;

-- The last known price when the order was split, by which a MARKET order counts towards the day's value; empty when none
-- was known.
ALTER TABLE orders ADD COLUMN reference_price numeric(15,4);

-- What a day's orders come to.
CREATE INDEX orders_split ON orders (split_at) WHERE order_queue_status = 'DONE';
