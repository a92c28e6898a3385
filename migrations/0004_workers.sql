-- Heartbeats: one row for each worker of each running daemon, deleted when the daemon stops in order.
CREATE TABLE workers (
  instance_id text NOT NULL,
  worker text NOT NULL CHECK (worker IN ('splitter', 'executor', 'monitor')),
  hostname text NOT NULL,
  pid integer NOT NULL,
  version text NOT NULL,
  started_at timestamptz NOT NULL,
  heartbeat_at timestamptz NOT NULL,
  -- The heartbeat is stale when it is older than this.
  stale_after_millis integer NOT NULL,
  ticks bigint NOT NULL DEFAULT 0,
  failed_ticks bigint NOT NULL DEFAULT 0,
  last_error text,
  PRIMARY KEY (instance_id, worker)
);
