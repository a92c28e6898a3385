ALTER TABLE order_slices
  -- When its outcome was last unknown. Its order may turn up in the broker's book after all, whatever became of the slice.
  ADD COLUMN in_doubt_at timestamptz,
  -- Since then the broker's book no longer shows its order, which was not over: only a person can tell what became of it.
  ADD COLUMN left_book_at timestamptz;

CREATE INDEX order_slices_once_in_doubt ON order_slices (in_doubt_at) WHERE in_doubt_at IS NOT NULL;

ALTER TABLE order_budgets
  -- The broker said that the day's requests are used up; it is asked again from then on.
  ADD COLUMN capped_until timestamptz NOT NULL DEFAULT '1970-01-01Z';

-- The one broker, and the one account there, in whose book this database's slices are looked for.
CREATE TABLE broker_in_use (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  -- Which broker, at which address, and whether it is a dry run; empty until a daemon has started.
  broker text,
  -- The broker's name for the account; empty until it is known.
  account text
);
INSERT INTO broker_in_use DEFAULT VALUES;

ALTER TABLE broker_credentials
  -- Whose token it is; empty when the broker could not be asked.
  ADD COLUMN user_id text;
