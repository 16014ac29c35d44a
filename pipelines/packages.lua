-- SPDX-License-Identifier: Apache-2.0
-- What is installed on this machine, from Debian's own package database and log:
--
--   bronze  as it stands in the files        silver  parsed, typed, checked against its contract
--   gold    size by section, installs per day, and a summary that a policy decides to refresh
--
-- What cannot be read is neither lost nor fatal: it is in the quarantine_* tables with its reason.
--
--   tidegate run packages
--   sqlite3 .tidegate/warehouse.db 'SELECT * FROM gold_size_by_section LIMIT 5'
local tg = require "tidegate"
local file = require "tidegate.file"
local sql = require "tidegate.sql"
local store = require "tidegate.store"
local dpkg = require "lib.dpkg"
local tables = require "lib.tables"

local BRONZE = { "file TEXT", "line INTEGER", "raw TEXT", "is_whole INTEGER" }
local QUARANTINE = { "file TEXT", "line INTEGER", "reason TEXT", "raw TEXT" }

-- dpkg writes a new database and puts it in the old one's place, perhaps while it is read.
local RETRY = { attempts = 3, on = { "transient", "permanent" } }

local function bronze_packages(ctx)
  local path = ctx.params.status
  return tables.fill({ bronze_packages = BRONZE }, function(into)
    for raw, line, is_whole in dpkg.paragraphs(path) do
      into.bronze_packages { path, line, raw, is_whole }
    end
  end)
end

-- A machine may have no log yet, or one that was rotated (older ones are compressed and not read).
local function bronze_log(ctx)
  return tables.fill({ bronze_log = BRONZE }, function(into)
    for _, path in ipairs { ctx.params.log .. ".1", ctx.params.log } do
      local info, err = file.stat(path)
      if not info and err.code ~= "not_found" then return nil, err end
      if not info then ctx:log("there is no %s", path) end
      for raw, line, is_whole in info and dpkg.lines(path) or dpkg.nothing do
        into.bronze_log { path, line, raw, is_whole }
      end
    end
  end)
end

-- Parses what a bronze table holds into a silver one, and puts aside what cannot be parsed.
local function refine(name, columns, parse)
  local bronze, silver, quarantine = "bronze_" .. name, "silver_" .. name, "quarantine_" .. name
  return function(ctx)
    local targets = { [silver] = columns, [quarantine] = QUARANTINE }
    local counts, err = tables.fill(targets, function(into)
      for row in tables.rows(bronze) do
        local values, reason = parse(row.raw, row.is_whole == 1)
        if values then
          into[silver](values)
        else
          into[quarantine] { row.file, row.line, reason, row.raw }
        end
      end
    end)
    if not counts then return nil, err end
    local rows, bad = counts[silver], counts[quarantine]
    if bad > 0 then ctx:log("warn", "%d rows cannot be read and are in %s", bad, quarantine) end
    ctx:emit_asset { name = silver, rows = rows }
    return { rows = rows, quarantined = bad }
  end
end

local FINGERPRINT = [[
  SELECT sha256((SELECT json_group_array(json_array(section, packages, installed_kib))
                 FROM (SELECT * FROM gold_size_by_section ORDER BY section)) ||
                (SELECT json_group_array(json_array(day, installs, upgrades, removals))
                 FROM (SELECT * FROM gold_installs_per_day ORDER BY day)))]]

-- Tells whether the gold tables are other than at the last refresh.
local function changes()
  local fingerprint, err = sql.value(FINGERPRINT)
  if not fingerprint then return nil, err end
  return { fingerprint = fingerprint, changed = store.get "refreshed" ~= fingerprint }
end

local function window_input(ctx)
  return {
    hour = math.tointeger(tonumber(ctx.logical_date:sub(12, 13))),
    changed = ctx.output.changes.changed,
    packages = ctx.output.silver_packages.rows,
    bad = ctx.output.silver_packages.quarantined + ctx.output.quality.dropped,
  }
end

return tg.pipeline "packages" {
  doc = "The packages of this machine: size by section, installs per day",
  params = {
    status = tg.string { default = "/var/lib/dpkg/status", doc = "the package database" },
    log = tg.string { default = "/var/log/dpkg.log", doc = "its log" },
  },
  limits = { timeout = "15m" },
  tasks = {
    tg.task "bronze_packages" { run = bronze_packages, retry = RETRY },
    tg.task "bronze_log" { run = bronze_log, retry = RETRY },

    tg.task "silver_packages" {
      after = "bronze_packages", produces = "silver_packages",
      run = refine("packages", dpkg.PACKAGE_COLUMNS, dpkg.package),
    },
    tg.task "silver_log" {
      after = "bronze_log", produces = "silver_log",
      run = refine("log", dpkg.EVENT_COLUMNS, dpkg.event),
    },
    tg.gate "quality" { after = "silver_packages", contract = "silver_packages" },

    tg.sql "size_by_section" {
      after = "quality", file = "gold_size_by_section.sql", into = "gold_size_by_section",
    },
    tg.sql "installs_per_day" {
      after = "silver_log", file = "gold_installs_per_day.sql", into = "gold_installs_per_day",
    },

    tg.task "changes" { after = { "size_by_section", "installs_per_day" }, run = changes },
    tg.branch "window" {
      after = "changes", decide = tg.policy "refresh_window", input = window_input,
      to = { "refresh", "hold" },
    },
    tg.sql "refresh" { file = "gold_summary.sql", into = "gold_summary" },
    tg.task "remember" {
      after = "refresh",
      run = function(ctx) return store.put("refreshed", ctx.output.changes.fingerprint) end,
    },
    tg.task "hold" { run = function(ctx) ctx:log("no refresh: %s", ctx.output.window.reason) end },
  },
}
