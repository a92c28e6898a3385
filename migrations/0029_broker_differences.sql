-- What differs between slices and the broker's order list, beside double placements: one row for each tag and kind, which is changed
-- when the same kind is seen with other facts. `ended_at` is set when the order list no longer says so.
CREATE TABLE broker_differences (
  tag text NOT NULL CHECK (length(tag) <= 20),
  kind text NOT NULL,
  facts text NOT NULL,
  -- Empty for a broker order that no slice has.
  order_id varchar(64),
  slice_id varchar(64),
  broker_order_ids text[] NOT NULL,
  words text NOT NULL,
  is_critical boolean NOT NULL,
  -- The order went on hold for it.
  is_held boolean NOT NULL,
  seen_at timestamptz NOT NULL,
  ended_at timestamptz,
  PRIMARY KEY (tag, kind)
);

CREATE INDEX broker_differences_current ON broker_differences (seen_at);
CREATE INDEX broker_differences_order ON broker_differences (order_id);
