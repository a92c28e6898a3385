-- Child slices, written by the OrderSplitter in the transaction that makes their order DONE.
CREATE TABLE order_slices (
  id varchar(64) PRIMARY KEY,
  order_id varchar(64) NOT NULL REFERENCES orders (id),
  sequence_number integer NOT NULL CHECK (sequence_number >= 1),
  tag varchar(20) NOT NULL UNIQUE CHECK (tag ~ '^[A-Za-z0-9]+$'),
  instrument text NOT NULL,
  side text NOT NULL CHECK (side IN ('BUY', 'SELL')),
  quantity integer NOT NULL CHECK (quantity > 0),
  order_type text NOT NULL CHECK (order_type IN ('MARKET', 'LIMIT')),
  limit_price numeric(15,4),
  product_type text NOT NULL,
  validity text NOT NULL,
  request_id text,
  trace_id text,

  -- When the slice is due; never changes.
  scheduled_at timestamptz NOT NULL,
  -- No placement before this: scheduled_at at first, later after a refusal that may be retried.
  not_before timestamptz NOT NULL CHECK (not_before >= scheduled_at),
  -- No placement after this: the end of the order's window and the grace.
  not_after timestamptz NOT NULL,
  stage text NOT NULL DEFAULT 'SCHEDULED'
    CHECK (stage IN ('SCHEDULED', 'IN_PROGRESS', 'PROCESSED', 'FAILED', 'SKIPPED')),
  -- Why the slice is FAILED or SKIPPED, or what its last attempt met.
  stage_reason text,

  -- Ownership while IN_PROGRESS; claim_version only ever rises and fences stale owners.
  claim_version integer NOT NULL DEFAULT 0,
  claimed_by text,
  claimed_at timestamptz,
  lease_expires_at timestamptz,

  -- Placement. outcome_unknown_at: since then nobody knows whether the broker has the order.
  attempts integer NOT NULL DEFAULT 0,
  outcome_unknown_at timestamptz,
  placed_at timestamptz,
  acknowledged_at timestamptz,

  -- What became of the broker order.
  broker_order_id text,
  broker_status text,
  broker_status_text text,
  broker_is_final boolean NOT NULL DEFAULT false,
  filled_quantity integer NOT NULL DEFAULT 0 CHECK (filled_quantity >= 0),
  average_price numeric(15,4),
  cancel_sent_at timestamptz,

  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),

  UNIQUE (order_id, sequence_number),
  CHECK (stage <> 'PROCESSED' OR broker_order_id IS NOT NULL),
  CHECK (stage <> 'IN_PROGRESS' OR (claimed_by IS NOT NULL AND lease_expires_at IS NOT NULL))
);

-- Exactly the hot predicates, so that finished rows cost nothing.
CREATE INDEX order_slices_claimable ON order_slices (not_before) WHERE stage = 'SCHEDULED';
CREATE INDEX order_slices_claimed ON order_slices (lease_expires_at) WHERE stage = 'IN_PROGRESS';
CREATE INDEX order_slices_open ON order_slices (acknowledged_at) WHERE stage = 'PROCESSED' AND NOT broker_is_final;
