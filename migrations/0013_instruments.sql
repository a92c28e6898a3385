-- What the broker lists: one whole list, replaced at each sync, so that quantities and prices can be held against lots and
-- ticks before an order is split. Empty until the first sync.
CREATE TABLE instruments (
  -- EXCHANGE:SYMBOL as in orders. In bytewise order, so that names that begin alike are found by the key.
  instrument text COLLATE "C" PRIMARY KEY,
  name text NOT NULL,
  lot_size integer NOT NULL CHECK (lot_size > 0),
  tick_size numeric NOT NULL CHECK (tick_size > 0),
  -- EQ, FUT, CE, PE; others may come.
  instrument_type text NOT NULL,
  segment text NOT NULL,
  -- The last day, in India, on which it trades.
  expiry date,
  -- When the broker made the list: hours old at best.
  last_price numeric CHECK (last_price > 0),
  -- The broker's number for it, which may pass to another instrument after an expiry: never a key.
  token bigint NOT NULL,
  source text NOT NULL CHECK (source IN ('mock', 'zerodha')),
  synced_at timestamptz NOT NULL
);

-- Whether a share has futures is asked by the underlying's name.
CREATE INDEX instruments_futures ON instruments (name) WHERE segment IN ('NFO-FUT', 'BFO-FUT');
