-- The id of a slice beside its key, so that a claim needs no look at the plan. Slices that are in the queue already, and those that
-- an older daemon puts there meanwhile, have none: a claim takes it from the plan.
ALTER TABLE slice_queue ADD COLUMN id varchar(64);
