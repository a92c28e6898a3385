-- The order in which slices are claimed, exactly: a claim goes on where the last one stopped, however many dead entries an open
-- transaction keeps, and never comes by what is on hold.
CREATE INDEX order_slices_due ON order_slices (is_held, not_before, id) WHERE stage = 'SCHEDULED';
DROP INDEX order_slices_claimable;
