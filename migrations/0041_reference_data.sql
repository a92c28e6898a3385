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
