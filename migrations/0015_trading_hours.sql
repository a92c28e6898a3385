ALTER TABLE orders
  -- What does not fit before the market's close: SAME_DAY refuses it, NEXT_SESSION goes on in the next session.
  ADD COLUMN session_policy text NOT NULL DEFAULT 'SAME_DAY';

ALTER TABLE order_plans
  -- The market's sessions within the window, as the calendar had them then: milliseconds since 1970. Empty: any time.
  ADD COLUMN sessions jsonb,
  -- When what is missing of the order is completed. Empty: it is only reported.
  ADD COLUMN completes_at timestamptz;

ALTER TABLE order_slices
  -- Whose trading hours it keeps; empty: it was planned without a calendar.
  ADD COLUMN market text;
