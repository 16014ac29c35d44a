-- SPDX-License-Identifier: Apache-2.0
-- The records of ARCHITECTURE.md. Times are ms since 1970-01-01T00:00:00Z, documents are JSON.
CREATE TABLE sources (
  hash TEXT PRIMARY KEY,               -- SHA-256 of the text
  text BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE bundles (
  hash       TEXT PRIMARY KEY,         -- SHA-256 over its files and its plan
  pipeline   TEXT NOT NULL,
  program    TEXT NOT NULL,            -- the build id of what may use it again, '' for none
  built_at   INTEGER NOT NULL,         -- what scripts take for now when they are loaded
  plan       TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE bundle_files (
  bundle TEXT NOT NULL REFERENCES bundles (hash),
  key    TEXT NOT NULL,                -- what the script asked for: "contract:silver_orders"
  path   TEXT NOT NULL,                -- '' when there was none: the source says why
  source TEXT NOT NULL REFERENCES sources (hash),
  PRIMARY KEY (bundle, key)
) WITHOUT ROWID;
CREATE INDEX bundle_files_by_source ON bundle_files (source);

CREATE TABLE runs (
  number        INTEGER PRIMARY KEY,   -- in the order of creation
  id            TEXT NOT NULL UNIQUE,  -- UUID version 7
  pipeline      TEXT NOT NULL,
  bundle        TEXT NOT NULL,
  params        TEXT NOT NULL,
  occurrence    TEXT,                  -- the scheduled instant; NULL for a run by hand
  partition     TEXT NOT NULL,         -- '' for none
  trigger       TEXT NOT NULL,
  rerun         INTEGER NOT NULL DEFAULT 0,
  rerun_of      TEXT,
  parent        TEXT,                  -- id of the run that started it as its child
  child_key     TEXT UNIQUE,           -- what it was started for
  deadline_at   INTEGER,               -- that of the parent which waits for it
  logical_at    INTEGER NOT NULL,
  interval_start INTEGER,              -- the data it is about: start <= t < end
  interval_end  INTEGER,
  backfill      TEXT,                  -- id of the backfill that it belongs to
  event_after   INTEGER NOT NULL,      -- number of the last event before it
  state         TEXT NOT NULL,
  created_at    INTEGER NOT NULL,
  started_at    INTEGER,               -- NULL while it is queued
  ended_at      INTEGER,
  error_code    TEXT,
  error_class   TEXT,
  error_message TEXT,
  UNIQUE (pipeline, occurrence, partition, params, rerun)
);
CREATE INDEX runs_by_parent ON runs (parent) WHERE parent IS NOT NULL;
CREATE INDEX runs_by_backfill ON runs (backfill) WHERE backfill IS NOT NULL;
CREATE INDEX runs_open ON runs (number) WHERE ended_at IS NULL;
CREATE INDEX runs_by_pipeline ON runs (pipeline, state);

CREATE TABLE tasks (                   -- a task without a row is waiting
  run           INTEGER NOT NULL,
  task          INTEGER NOT NULL,      -- index in the plan
  name          TEXT NOT NULL,
  state         TEXT NOT NULL,
  attempts      INTEGER NOT NULL,
  started_at    INTEGER,
  ended_at      INTEGER,
  output        TEXT,
  chosen        TEXT,
  error_code    TEXT,
  error_class   TEXT,
  error_message TEXT,
  PRIMARY KEY (run, task)
) WITHOUT ROWID;

CREATE TABLE map_items (               -- what a map was expanded to
  run   INTEGER NOT NULL,
  task  INTEGER NOT NULL,
  count INTEGER NOT NULL,
  items TEXT,
  keys  TEXT,
  PRIMARY KEY (run, task)
) WITHOUT ROWID;

CREATE TABLE items (                   -- items that have ended
  run           INTEGER NOT NULL,
  task          INTEGER NOT NULL,
  item          INTEGER NOT NULL,      -- from 0
  state         TEXT NOT NULL,
  attempts      INTEGER NOT NULL,
  started_at    INTEGER,
  ended_at      INTEGER,
  output        TEXT,
  error_code    TEXT,
  error_class   TEXT,
  error_message TEXT,
  PRIMARY KEY (run, task, item)
) WITHOUT ROWID;

CREATE TABLE steps (                   -- without an end there is only the intent
  run         INTEGER NOT NULL,
  task        INTEGER NOT NULL,
  item        INTEGER NOT NULL,        -- -1 outside maps
  position    INTEGER NOT NULL,
  name        TEXT NOT NULL,
  result      TEXT,
  wake_at     INTEGER,
  intended_at INTEGER NOT NULL,
  ended_at    INTEGER,
  wait        TEXT,                    -- what is waited for
  after       INTEGER NOT NULL,        -- of events only those with a higher number
  event       INTEGER,                 -- the number of the one that ended it
  PRIMARY KEY (run, task, item, position)
) WITHOUT ROWID;
CREATE INDEX steps_by_event ON steps (event) WHERE event IS NOT NULL;

CREATE TABLE attempts (
  run           INTEGER NOT NULL,
  task          INTEGER NOT NULL,
  item          INTEGER NOT NULL,      -- -1 outside maps
  number        INTEGER NOT NULL,      -- from 1
  state         TEXT NOT NULL,
  worker        INTEGER NOT NULL,
  seed          INTEGER NOT NULL,
  started_at    INTEGER NOT NULL,
  ended_at      INTEGER,
  retry_at      INTEGER,
  is_fallback_next INTEGER NOT NULL,
  was_held      INTEGER NOT NULL,      -- by the breaker of its resource, before it began
  error_code    TEXT,
  error_class   TEXT,
  error_message TEXT,
  stop          TEXT,                  -- why there is no further try although there could be one
  traceback     TEXT,
  PRIMARY KEY (run, task, item, number)
) WITHOUT ROWID;

CREATE TABLE decisions (
  run        INTEGER NOT NULL,
  task       INTEGER NOT NULL,
  attempt    INTEGER NOT NULL,
  policy     TEXT NOT NULL,
  version    TEXT NOT NULL,            -- hash of the policy's bundle
  input      TEXT NOT NULL,
  output     TEXT NOT NULL,
  action     TEXT,
  reason     TEXT,
  decided_at INTEGER NOT NULL
);
CREATE INDEX decisions_by_run ON decisions (run, task);

CREATE TABLE checks (
  run      INTEGER NOT NULL,
  task     INTEGER NOT NULL,
  attempt  INTEGER NOT NULL,
  position INTEGER NOT NULL,
  body     TEXT NOT NULL,
  PRIMARY KEY (run, task, attempt, position)
) WITHOUT ROWID;

CREATE TABLE asset_versions (
  version    INTEGER PRIMARY KEY,
  asset      TEXT NOT NULL,
  partition  TEXT NOT NULL,
  run        INTEGER NOT NULL,
  task       INTEGER NOT NULL,
  attempt    INTEGER NOT NULL,
  rows       INTEGER,
  facts      TEXT NOT NULL,
  created_at INTEGER NOT NULL
);
CREATE INDEX asset_versions_by_asset ON asset_versions (asset, version);
CREATE INDEX asset_versions_by_run ON asset_versions (run);

CREATE TABLE events (                  -- what happened: CloudEvents 1.0
  number      INTEGER PRIMARY KEY AUTOINCREMENT, -- in the order in which they were received
  id          TEXT NOT NULL,
  source      TEXT NOT NULL,
  type        TEXT NOT NULL,
  subject     TEXT,
  time        INTEGER,                 -- when it happened, if it says so
  received_at INTEGER NOT NULL,
  body        TEXT NOT NULL,           -- the whole event
  UNIQUE (source, id)                  -- one that comes again is the same
);
CREATE INDEX events_by_type ON events (type, number);

CREATE TABLE backfills (
  id         TEXT PRIMARY KEY,         -- UUID version 7; its runs name it
  pipeline   TEXT NOT NULL,
  command    TEXT NOT NULL,            -- the words that asked for it
  state      TEXT NOT NULL,            -- running, paused, success, failed, cancelled
  created_at INTEGER NOT NULL,
  ended_at   INTEGER,
  total      INTEGER NOT NULL          -- occurrences that were to run when it was made
) WITHOUT ROWID;

CREATE TABLE resources (               -- what tasks share outside: breakers and retry budgets
  name      TEXT PRIMARY KEY,
  phase     TEXT NOT NULL,             -- of the breaker: closed, open, half_open
  opened_at INTEGER,
  retry_at  INTEGER,                   -- while it is open: when it may be probed
  reason    TEXT,                      -- the failure that opened it
  breaker   TEXT NOT NULL,             -- the states as host/retry writes them
  budget    TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE kv (                      -- tidegate.store
  pipeline   TEXT NOT NULL,
  key        TEXT NOT NULL,
  value      TEXT NOT NULL,
  version    INTEGER NOT NULL,
  expires_at INTEGER,
  PRIMARY KEY (pipeline, key)
) WITHOUT ROWID;

CREATE INDEX kv_by_expiry ON kv (expires_at) WHERE expires_at IS NOT NULL;
