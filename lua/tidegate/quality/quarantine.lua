-- SPDX-License-Identifier: Apache-2.0
--- Moves bad rows of a table into quarantine_<table>, where each stands as JSON with its reasons.
---
--- A run that is repeated may find rows again that it has moved before (its table was built anew),
--- or may not (it crashed after the move). So a row that is about to be moved takes the place of its
--- likes from the same run, and no other row of the run is touched: none is lost, none stands twice.
local compile = require "tidegate.quality.sql"

local quarantine = {}

---@class tidegate.quality.Sql what is needed of `tidegate.sql`
---@field query fun(text: string): table[]?, any
---@field exec fun(text: string): any, any
---@field transaction fun(fn: function): any, any

---@class tidegate.quality.Bad a rule that some rows fail
---@field id string
---@field predicate string
---@field reason string

---Gives the name of a table's quarantine.
---@param table_name string
---@return string
function quarantine.table_of(table_name)
  return "quarantine_" .. table_name
end

---Writes a row as a JSON object. Not json_object(): it takes 63 columns at most, and no BLOB.
---@param columns string[]
---@return string
local function row_json(columns)
  local parts = {}
  for i, column in ipairs(columns) do
    local value = "t." .. compile.identifier(column)
    local key = '"' .. column:gsub('[%c"\\]', function(c) return ("\\u%04x"):format(c:byte()) end)
      .. '":'
    parts[i] = ("%s || json_quote(CASE typeof(%s) WHEN 'blob' THEN hex(%s) ELSE %s END)")
      :format(compile.literal((i > 1 and "," or "") .. key), value, value, value)
  end
  return "'{' || " .. table.concat(parts, " || ") .. " || '}'"
end

---Lists those of the texts whose rule a row fails.
---@param bad tidegate.quality.Bad[]
---@param field "id"|"reason"
---@return string
local function list_of(bad, field)
  local parts = {}
  for i, item in ipairs(bad) do
    parts[i] = ("CASE WHEN %s THEN %s ELSE '' END")
      :format(item.predicate, compile.literal("; " .. item[field]))
  end
  return "substr(" .. table.concat(parts, " || ") .. ", 3)"
end

---@param bad tidegate.quality.Bad[]
---@return string
local function any_of(bad)
  local parts = {}
  for i, item in ipairs(bad) do parts[i] = item.predicate end
  return table.concat(parts, " OR ")
end

---Moves the rows that fail any of some rules: each once, with all its reasons. To be called inside
---a transaction.
---@param sql tidegate.quality.Sql
---@param table_name string
---@param columns string[]
---@param bad tidegate.quality.Bad[]
---@param run_id string
---@return true?
---@return any err
function quarantine.move(sql, table_name, columns, bad, run_id)
  local from = compile.identifier(table_name)
  local into = compile.identifier(quarantine.table_of(table_name))
  local run, row, where = compile.literal(run_id), row_json(columns), any_of(bad)
  local statements = {
    ("CREATE TABLE IF NOT EXISTS %s (rule TEXT NOT NULL, reason TEXT NOT NULL,"
      .. " run_id TEXT NOT NULL, quarantined_at TEXT NOT NULL, row TEXT NOT NULL)"):format(into),
    ("DELETE FROM %s WHERE run_id = %s AND row IN (SELECT %s FROM %s AS t WHERE %s)")
      :format(into, run, row, from, where),
    ("INSERT INTO %s (rule, reason, run_id, quarantined_at, row)"
      .. " SELECT %s, %s, %s, strftime('%%Y-%%m-%%dT%%H:%%M:%%fZ', 'now'), %s"
      .. " FROM %s AS t WHERE %s")
      :format(into, list_of(bad, "id"), list_of(bad, "reason"), run, row, from, where),
    ("DELETE FROM %s AS t WHERE %s"):format(from, where),
  }
  for _, statement in ipairs(statements) do
    local done, err = sql.exec(statement)
    if done == nil then return nil, err end
  end
  return true
end

---Counts what a run has moved out of a table, now or before it was repeated.
---@param sql tidegate.quality.Sql
---@param table_name string
---@param run_id string
---@return integer
function quarantine.count(sql, table_name, run_id)
  local rows = sql.query(("SELECT count(*) AS n FROM %s WHERE run_id = %s")
    :format(compile.identifier(quarantine.table_of(table_name)), compile.literal(run_id)))
  return rows and rows[1].n or 0
end

return quarantine
