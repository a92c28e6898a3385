-- The largest quantity that an exchange takes in one order for any contract of an underlying, from a day in India on, as it was imported.
-- It comes on top of what is built in.
CREATE TABLE freeze_quantities (
  exchange text NOT NULL CHECK (exchange IN ('NFO', 'BFO', 'CDS', 'BCD', 'MCX')),
  underlying text NOT NULL,
  since date NOT NULL,
  -- As an order counts it: units on NFO and BFO, lots on the others.
  quantity integer NOT NULL CHECK (quantity > 0),
  -- Who says so, such as a file's name.
  source text NOT NULL,
  imported_at timestamptz NOT NULL,
  imported_by text NOT NULL,
  PRIMARY KEY (exchange, underlying, since)
);

-- What differs between a list of instruments and the one before it, of the same broker.
CREATE TABLE instrument_changes (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL,
  instrument text NOT NULL,
  what text NOT NULL CHECK (what IN ('lot_size', 'tick_size', 'expiry', 'instrument_type', 'segment', 'symbol')),
  before text,
  -- Of a symbol that is gone: the one that has its token now. Empty if there is none.
  after text
);
CREATE INDEX instrument_changes_by_time ON instrument_changes (at);

-- The daily synchronisation of the list of instruments by one of the daemons.
CREATE TABLE instrument_sync (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  -- The day in India of the latest attempt, and what came of that day's attempts.
  day date,
  attempts integer NOT NULL DEFAULT 0,
  next_attempt_at timestamptz,
  done_at timestamptz,
  failure text,
  -- Since when a person has to look into it.
  alarmed_at timestamptz
);
INSERT INTO instrument_sync DEFAULT VALUES;
