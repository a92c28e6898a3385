-- The role that connected, beside the name that the operator gave; empty for what was recorded before.
ALTER TABLE operator_actions ADD COLUMN database_user text;
ALTER TABLE operator_actions ALTER COLUMN database_user SET DEFAULT session_user;

-- A request of one person can be approved once.
CREATE UNIQUE INDEX operator_actions_approved ON operator_actions ((details ->> 'request')) WHERE action = 'approval';
