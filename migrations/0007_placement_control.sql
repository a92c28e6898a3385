-- The access token of a broker account, when it was set with a command. One replica that learns that it is refused tells
-- all others here.
CREATE TABLE broker_credentials (
  broker text PRIMARY KEY,
  access_token text NOT NULL,
  set_at timestamptz NOT NULL,
  set_by text NOT NULL,
  refused_at timestamptz,
  refused_reason text
);

-- How many order requests the account may still send, shared by all replicas.
CREATE TABLE order_budgets (
  broker text PRIMARY KEY,
  -- When the latest requests were let through, oldest first; as many as a minute allows.
  granted timestamptz[] NOT NULL DEFAULT '{}',
  -- How many were let through on the account's current day.
  day date NOT NULL DEFAULT '1970-01-01',
  granted_today integer NOT NULL DEFAULT 0,
  -- Nothing is let through before this: the broker asked for it.
  blocked_until timestamptz NOT NULL DEFAULT '1970-01-01Z'
);

INSERT INTO order_budgets (broker) VALUES ('zerodha');

-- Operators' halts and resumes, append-only. The last row holds.
CREATE TABLE placement_halts (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  is_halted boolean NOT NULL,
  reason text NOT NULL,
  requested_by text NOT NULL,
  requested_at timestamptz NOT NULL
);

-- The broker that the worker places with, the last halt or resume that it obeys, and what keeps it from placing.
ALTER TABLE workers
  ADD COLUMN broker text NOT NULL DEFAULT 'mock',
  ADD COLUMN acknowledged_halt integer NOT NULL DEFAULT 0,
  ADD COLUMN hold text;
