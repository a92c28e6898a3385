ALTER TABLE orders
  -- The shape: TWAP, VWAP, FRONT_LOADED, BACK_LOADED or WEIGHTS.
  ADD COLUMN strategy text NOT NULL DEFAULT 'TWAP',
  -- κT of FRONT_LOADED and BACK_LOADED; 2 if not set.
  ADD COLUMN risk_aversion double precision,
  -- WEIGHTS only: how much equal parts of the window get, relative to each other.
  ADD COLUMN weights double precision[],
  -- What decides every random choice in the plan; the order's id if not set.
  ADD COLUMN plan_seed text;

-- Each plan that an order has had, and all that decided it: the same input gives the same slices again.
CREATE TABLE order_plans (
  order_id varchar(64) NOT NULL REFERENCES orders (id),
  -- 1 is the split; each later plan for what was not sent yet adds one.
  revision integer NOT NULL CHECK (revision > 0),
  -- The number, within the order, of the plan's first slice; the others follow.
  first_sequence integer NOT NULL CHECK (first_sequence > 0),
  algorithm_version integer NOT NULL,
  input jsonb NOT NULL,
  -- What the slices' offsets count from, and the window's end.
  starts_at timestamptz NOT NULL,
  ends_at timestamptz NOT NULL,
  -- The slices' own.
  order_type text NOT NULL,
  limit_price numeric(15,4),
  cause text NOT NULL CHECK (cause IN ('SPLIT', 'AMENDMENT', 'LATENESS', 'CARRY', 'COMPLETION')),
  -- Who asked for an amendment, and for what.
  note text,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (order_id, revision)
);

-- How an instrument's volume is spread over its trading day, for VWAP; without a row the built-in U-shape is used.
CREATE TABLE volume_profiles (
  instrument text PRIMARY KEY,
  -- Volumes of equal parts of the day, relative to each other.
  volumes double precision[] NOT NULL
    CHECK (
      array_ndims(volumes) = 1 AND cardinality(volumes) BETWEEN 1 AND 1000 AND array_position(volumes, NULL) IS NULL
      AND 0.001 <= ALL (volumes) AND 1e12 >= ALL (volumes)),
  updated_by text NOT NULL,
  updated_at timestamptz NOT NULL
);
