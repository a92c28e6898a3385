-- Many notifications of one kind are delivered as one message. Those that it sums up have its key here, for good: whoever
-- sends it again sends the same facts under the same key.
ALTER TABLE notifications ADD COLUMN summary_key text;

CREATE INDEX notifications_summed_up ON notifications (summary_key) WHERE summary_key IS NOT NULL;
