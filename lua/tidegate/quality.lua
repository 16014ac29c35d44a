-- SPDX-License-Identifier: Apache-2.0
--- Checks a table against its contract, inside the database: a rule is a query that counts.
---
--- First the rules with the action `drop`: those that fail have their bad rows moved to
--- quarantine_<table>, all in one transaction. Then `fail` and `warn`, on what is left. A check that
--- cannot be made has the outcome "error" and stops the gate whatever its action is: what is not
--- known to be right is not let through.
local contract = require "tidegate.contract"
local compile = require "tidegate.quality.sql"
local quarantine = require "tidegate.quality.quarantine"
local threshold = require "tidegate.contract.threshold"

local quality = {}

---@class tidegate.quality.Check
---@field rule string
---@field column? string
---@field action tidegate.contract.Action
---@field outcome "passed"|"failed"|"error"
---@field failed_rows? integer
---@field total_rows? integer
---@field measured? number|string
---@field expected string
---@field message? string what is wrong; nil when passed
---@field description? string of the rule, from the contract

---@class tidegate.quality.Result
---@field passed boolean
---@field object? string of the contract
---@field table string
---@field dropped integer rows that this run has in quarantine
---@field checks tidegate.quality.Check[]

---@param err any
---@return string
local function text_of(err)
  return type(err) == "table" and err.message or tostring(err)
end

---@param made tidegate.contract.Rule
---@param outcome "passed"|"failed"|"error"
---@param message string?
---@return tidegate.quality.Check
local function check_new(made, outcome, message)
  return {
    rule = made.id, column = made.column, action = made.action, outcome = outcome,
    expected = threshold.describe(made.expectations, made.unit), message = message,
    description = made.description,
  }
end

---Compares one value, of rowCount or of a query.
---@param made tidegate.contract.Rule
---@return tidegate.quality.Check
local function value_check(made, value)
  for _, expectation in ipairs(made.expectations) do
    local is_ordered = expectation.operator ~= "mustBe" and expectation.operator ~= "mustNotBe"
    if is_ordered and type(value) ~= "number" then
      return check_new(made, "error", ("the query gives no number: %s"):format(value))
    end
  end
  local is_met = threshold.holds(made.expectations, value)
  local check = check_new(made, is_met and "passed" or "failed")
  check.measured = value
  if not is_met then
    check.message = ("%s is %s"):format(made.check == "sql" and "the query" or "the number of rows",
      value)
  end
  return check
end

---@param made tidegate.contract.Rule
---@param row { total: integer, failed: integer }
---@param reason string
---@return tidegate.quality.Check
local function rows_check(made, row, reason)
  local is_percent = made.unit == "percent"
  local is_met
  if is_percent then
    is_met = threshold.holds_percent(made.expectations, row.failed, row.total)
  else
    is_met = threshold.holds(made.expectations, row.failed)
  end
  local check = check_new(made, is_met and "passed" or "failed")
  check.failed_rows, check.total_rows, check.measured = row.failed, row.total, row.failed
  if is_percent then check.measured = row.total > 0 and row.failed * 100 / row.total or 0.0 end
  if not is_met then
    check.message = ("%s in %d of %d rows"):format(reason, row.failed, row.total)
  end
  return check
end

---@param made tidegate.contract.Rule
---@param row { value: any, rows: integer }
---@return tidegate.quality.Check
local function query_check(made, row)
  if row.rows ~= 1 then
    return check_new(made, "error", ("the query gives %d rows, it must give one"):format(row.rows))
  end
  if type(row.value) ~= "number" and type(row.value) ~= "string" then
    return check_new(made, "error", "the query gives null")
  end
  return value_check(made, row.value)
end

---Measures a rule and compares.
---@param sql tidegate.quality.Sql
---@param made tidegate.contract.Rule
---@param table_name string
---@return tidegate.quality.Check
local function rule_check(sql, made, table_name)
  local rows, err = sql.query(compile.measure(made, table_name))
  if not rows then return check_new(made, "error", text_of(err)) end
  if made.check == "sql" then return query_check(made, rows[1]) end
  if made.check == "rowCount" then
    local check = value_check(made, rows[1].total)
    check.total_rows = rows[1].total
    return check
  end
  return rows_check(made, rows[1], select(2, compile.predicate(made, table_name)))
end

---Checks some drop rules and moves the rows that fail them, if the rules do.
---@return true?
---@return any err
local function drop_round(sql, rules, scope, checks)
  local bad = {}
  for _, made in ipairs(rules) do
    local check = rule_check(sql, made, scope.table)
    checks[#checks + 1] = check
    if check.outcome == "failed" then
      local predicate, reason = compile.predicate(made, scope.table)
      bad[#bad + 1] = { id = made.id, predicate = predicate, reason = reason }
    end
  end
  if #bad == 0 then return true end
  return quarantine.move(sql, scope.table, scope.columns, bad, scope.run_id)
end

---Drops bad rows. Rules about a row alone go first and together, so that a row is moved once with
---all its reasons; then each rule about duplicates by itself, since which row is the surplus one
---depends on the rows that are left.
---@param sql tidegate.quality.Sql
---@param rules tidegate.contract.Rule[]
---@param scope { table: string, columns: string[], run_id: string }
---@return tidegate.quality.Check[]
local function drop(sql, rules, scope)
  local checks = {}
  local rounds = { {} }
  for _, made in ipairs(rules) do
    if made.check == "duplicateValues" then
      rounds[#rounds + 1] = { made }
    else
      table.insert(rounds[1], made)
    end
  end
  local done, err = sql.transaction(function()
    for _, round in ipairs(rounds) do
      local moved, why = drop_round(sql, round, scope, checks)
      if not moved then return nil, why end
    end
    return true
  end)
  if done then return checks end
  for i, made in ipairs(rules) do
    checks[i] = check_new(made, "error", "the bad rows could not be moved: " .. text_of(err))
  end
  return checks
end

---Checks that the table is there and has the columns of the contract.
---@param object tidegate.contract.Object
---@return tidegate.quality.Check
---@return string[]? columns
local function shape_check(sql, object, table_name)
  local check = { rule = "schema", action = "fail", outcome = "passed", expected = "its columns" }
  local rows, err = sql.query(("SELECT name FROM pragma_table_info(%s)")
    :format(compile.literal(table_name)))
  if not rows then
    check.outcome, check.message = "error", text_of(err)
    return check
  end
  if #rows == 0 then
    check.outcome, check.message = "failed", ("there is no table %s"):format(table_name)
    return check
  end
  local columns, has, missing = {}, {}, {}
  for i, row in ipairs(rows) do
    columns[i], has[row.name:lower()] = row.name, true
  end
  for _, property in ipairs(object.properties) do
    if not has[property.column:lower()] then missing[#missing + 1] = property.column end
  end
  if #missing > 0 then
    check.outcome = "failed"
    check.message = ("%s has no column %s"):format(table_name, table.concat(missing, ", "))
  end
  return check, columns
end

---@param checks tidegate.quality.Check[]
---@return boolean
local function is_passed(checks)
  for _, check in ipairs(checks) do
    if check.outcome == "error" or (check.outcome == "failed" and check.action == "fail") then
      return false
    end
  end
  return true
end

---@param rules tidegate.contract.Rule[]
---@param may_drop boolean
---@return tidegate.contract.Rule[] dropping
---@return tidegate.contract.Rule[] others
local function parted(rules, may_drop)
  local dropping, others = {}, {}
  for _, made in ipairs(rules) do
    table.insert(may_drop and made.action == "drop" and dropping or others, made)
  end
  return dropping, others
end

---@param sql tidegate.quality.Sql
---@param object tidegate.contract.Object
---@param result tidegate.quality.Result
---@param run_id string
local function object_check(sql, object, result, run_id)
  local checks = result.checks
  local shape, columns = shape_check(sql, object, result.table)
  checks[1] = shape
  if not columns then return end
  -- A table of the wrong shape is not touched: its rules are only measured.
  local dropping, others = parted(object.rules, shape.outcome == "passed")
  if #dropping > 0 then
    local scope = { table = result.table, columns = columns, run_id = run_id }
    for _, check in ipairs(drop(sql, dropping, scope)) do checks[#checks + 1] = check end
    result.dropped = quarantine.count(sql, result.table, run_id)
  end
  for _, made in ipairs(others) do
    checks[#checks + 1] = rule_check(sql, made, result.table)
  end
end

---Checks a table.
---
---Shape:  `passed` is false if a rule with the action `fail` failed, or any check could not be made
---Errors: none of the database: they are checks with the outcome "error"
---@param sql tidegate.quality.Sql
---@param made tidegate.Contract
---@param table_name string
---@param options? { run_id: string?, object: string? } the run that is told in the quarantine; the
---object of the contract, where it is not found by the table's name
---@return tidegate.quality.Result
function quality.check(sql, made, table_name, options)
  options = options or {}
  local object = contract.object(made, options.object or table_name)
  local result = {
    passed = false, object = object and object.name, table = table_name, dropped = 0, checks = {},
  }
  if object then
    object_check(sql, object, result, options.run_id or "")
  else
    result.checks[1] = {
      rule = "schema", action = "fail", outcome = "failed", expected = "an object of the contract",
      message = ("%s has no object for the table %s"):format(made.file, table_name),
    }
  end
  result.passed = is_passed(result.checks)
  return result
end

return quality
