ALTER TABLE order_slices
  -- When its outcome was last unknown. Its order may turn up in the broker's book after all, whatever became of the slice.
  ADD COLUMN in_doubt_at timestamptz,
  -- Since then the broker's book no longer shows its order, which was not over: only a person can tell what became of it.
  ADD COLUMN left_book_at timestamptz;

CREATE INDEX order_slices_once_in_doubt ON order_slices (in_doubt_at) WHERE in_doubt_at IS NOT NULL;

ALTER TABLE order_budgets
  -- The broker said that the day's requests are used up; it is asked again from then on.
  ADD COLUMN capped_until timestamptz NOT NULL DEFAULT '1970-01-01Z';
