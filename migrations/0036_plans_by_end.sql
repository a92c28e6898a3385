-- settle looks for the plans that reach into a day: the newest ones, by their end. Of all plans the index has one entry for each
-- hundred pages, so it costs nothing to keep, and is made in seconds for millions; meanwhile orders wait for their split.
CREATE INDEX order_plans_by_end ON order_plans USING brin ((coalesce(closes_at, ends_at)));
ANALYZE order_plans;
