-- What is known of the cancels of an open broker order. It ends with the order: a slice that leaves slice_working has no cancel to
-- repeat, and one that comes back begins anew.
ALTER TABLE slice_working
  -- How many cancels in a row had the same kind of answer: accepted without effect so far, or not accepted. The pause before the
  -- next one, counted from cancel_sent_at, grows with them.
  ADD COLUMN cancel_tries integer NOT NULL DEFAULT 0,
  -- Why the last one was not accepted, or why none is sent; empty if it was accepted, or none was wanted.
  ADD COLUMN cancel_refusal text,
  ADD COLUMN cancel_refusal_code text;

ALTER TABLE order_budgets
  -- How many of the day's requests were cancels. Of another day than `day`, there were none: an older daemon does not count them.
  ADD COLUMN cancels_day date NOT NULL DEFAULT '1970-01-01',
  ADD COLUMN cancels_today integer NOT NULL DEFAULT 0,
  -- The broker said to a cancel that the day's requests are used up; what it says to placements is in capped_until.
  ADD COLUMN cancels_capped_until timestamptz NOT NULL DEFAULT '1970-01-01Z';
