-- What people imported into the trading calendar. Later numbers apply after earlier ones; rows are never deleted, and removed ones no
-- longer apply. The number of rows and of removed rows together is the calendar's revision, by which daemons notice a change.
CREATE TABLE calendar_imports (
  number integer PRIMARY KEY CHECK (number > 0),
  -- A file's name, or a URL.
  source text NOT NULL CHECK (length(source) <= 500),
  form text NOT NULL,
  announcements jsonb NOT NULL,
  imported_by text NOT NULL,
  imported_at timestamptz NOT NULL,
  removed_by text,
  removed_at timestamptz,
  CHECK ((removed_by IS NULL) = (removed_at IS NULL))
);
