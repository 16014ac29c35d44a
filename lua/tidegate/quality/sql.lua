-- SPDX-License-Identifier: Apache-2.0
--- Rules as SQL for SQLite.
---
--- Columns are written t."name": a bare "name" that is no column would be taken for a text. A
--- predicate says of one row that it is bad; of a row whose value is null it says so only where
--- null is what the rule is about.
local rule = require "tidegate.contract.rule"

local sql = {}

---@param name string
---@return string
function sql.identifier(name)
  return '"' .. name:gsub('"', '""') .. '"'
end

---@param value string|number|boolean
---@return string
function sql.literal(value)
  if type(value) == "boolean" then return value and "1" or "0" end
  if math.type(value) == "integer" then return ("%d"):format(value) end
  if type(value) == "number" then return ("%.17g"):format(value) end
  return "'" .. value:gsub("'", "''") .. "'"
end

---@param columns string[]
---@param prefix string
---@return string
local function column_list(columns, prefix)
  local names = {}
  for i, column in ipairs(columns) do names[i] = prefix .. sql.identifier(column) end
  return table.concat(names, ", ")
end

local function value_list(values)
  local literals = {}
  for i, value in ipairs(values) do literals[i] = sql.literal(value) end
  return "(" .. table.concat(literals, ", ") .. ")"
end

local function no_nulls(columns, prefix)
  local parts = {}
  for i, column in ipairs(columns) do
    parts[i] = prefix .. sql.identifier(column) .. " IS NOT NULL"
  end
  return table.concat(parts, " AND ")
end

---Says that a text does not have the shape of a date's pattern: letters stand for digits.
---
---Source: java.time.format.DateTimeFormatter, of which only the numeric letters are known here
local function shape_fault(column, shape)
  local glob = shape:gsub("'([^']*)'", "%1"):gsub("[%*%?%[]", "[%0]"):gsub("[yMdHhmsS]", "[0-9]")
  return ("typeof(%s) <> 'text' OR %s NOT GLOB %s"):format(column, column, sql.literal(glob))
end

-- A date is only put right (30 February is 2 March) when something is added to it.
local type_faults = {
  string = "typeof(%1) <> 'text'",
  integer = "typeof(%1) <> 'integer'",
  number = "typeof(%1) NOT IN ('integer', 'real')",
  boolean = "typeof(%1) <> 'integer' OR %1 NOT IN (0, 1)",
  date = "typeof(%1) <> 'text' OR date(%1, '+0 days') IS NOT %1",
  timestamp = "typeof(%1) <> 'text' OR length(%1) < 16 OR julianday(%1) IS NULL"
    .. " OR date(substr(%1, 1, 10), '+0 days') IS NOT substr(%1, 1, 10)",
  time = "typeof(%1) <> 'text' OR %1 NOT GLOB '[0-9][0-9]:[0-9][0-9]*' OR time(%1) IS NULL",
  object = "json_valid(%1) = 0 OR json_type(%1) <> 'object'",
  array = "json_valid(%1) = 0 OR json_type(%1) <> 'array'",
}

local hex = "[0-9a-fA-F]"
local octet = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
local text_formats = {
  uuid = "NOT GLOB " .. sql.literal(table.concat(
    { hex:rep(8), hex:rep(4), hex:rep(4), hex:rep(4), hex:rep(12) }, "-")),
  email = "NOT REGEXP '^[^@[:space:]]+@[^@[:space:]]+[.][^@[:space:]]+$'",
  ipv4 = ("NOT REGEXP '^%s$'"):format(table.concat({ octet, octet, octet, octet }, "[.]")),
  uri = "NOT REGEXP '^[A-Za-z][A-Za-z0-9+.-]*:.'",
}

---Says that an integer does not fit the bits of its format; what SQLite cannot hold always fits.
local function range_fault(column, format)
  local sign, bits = format:match("^([iu])(%d+)$")
  bits = math.tointeger(tonumber(bits))
  if sign == "u" then
    if bits >= 64 then return column .. " < 0" end
    return ("%s < 0 OR %s >= %d"):format(column, column, 1 << bits)
  end
  if bits >= 64 then return nil end
  local bound = 1 << (bits - 1)
  return ("%s < %d OR %s >= %d"):format(column, -bound, column, bound)
end

local function multiple_fault(column, factor)
  if math.type(factor) == "integer" then return ("%s %% %d <> 0"):format(column, factor) end
  local quotient = ("(%s / %s)"):format(column, sql.literal(factor))
  return ("abs(%s - round(%s)) > 1e-9"):format(quotient, quotient)
end

---@type table<string, fun(made: tidegate.contract.Rule, column: string): string?, string>
local predicates = {}

---@param operator string
---@param words string
local function comparison(operator, words)
  return function(made, column)
    return ("%s %s %s"):format(column, operator, sql.literal(made.value)),
      ("is %s %s"):format(words, made.value)
  end
end

predicates.minimum = comparison("<", "below")
predicates.maximum = comparison(">", "above")
predicates.exclusiveMinimum = comparison("<=", "not above")
predicates.exclusiveMaximum = comparison(">=", "not below")

---@param measure string
local function size(measure, operator, words)
  return function(made, column)
    return ("%s(%s) %s %d"):format(measure, column, operator, made.value),
      ("%s %d"):format(words, made.value)
  end
end

predicates.minLength = size("length", "<", "is shorter than")
predicates.maxLength = size("length", ">", "is longer than")
predicates.minItems = size("json_array_length", "<", "has fewer items than")
predicates.maxItems = size("json_array_length", ">", "has more items than")

function predicates.nullValues(_, column)
  return column .. " IS NULL", "is null"
end

function predicates.missingValues(made, column)
  local parts = {}
  if made.has_null then parts[1] = column .. " IS NULL" end
  if #made.values > 0 then parts[#parts + 1] = column .. " IN " .. value_list(made.values) end
  return table.concat(parts, " OR "), "is missing"
end

function predicates.invalidValues(made, column)
  local parts, words = {}, {}
  if made.values then
    parts[1] = column .. " NOT IN " .. value_list(made.values)
    words[1] = "is not one of the valid values"
  end
  if made.posix then
    parts[#parts + 1] = ("%s NOT REGEXP %s"):format(column, sql.literal(made.posix))
    words[#words + 1] = "does not match " .. made.pattern
  end
  return ("%s IS NOT NULL AND (%s)"):format(column, table.concat(parts, " OR ")),
    table.concat(words, " or ")
end

function predicates.pattern(made, column)
  return ("%s NOT REGEXP %s"):format(column, sql.literal(made.posix)),
    "does not match " .. made.value
end

function predicates.format(made, column)
  local fault = made.logical_type == "integer" and range_fault(column, made.value)
    or text_formats[made.value] and column .. " " .. text_formats[made.value]
  return fault or "0", "is no " .. made.value
end

function predicates.multipleOf(made, column)
  return multiple_fault(column, made.value), "is no multiple of " .. made.value
end

function predicates.logicalType(made, column)
  local fault = made.pattern and shape_fault(column, made.pattern)
    or type_faults[made.value]:gsub("%%1", (column:gsub("%%", "%%%%")))
  return ("%s IS NOT NULL AND (%s)"):format(column, fault),
    "is no " .. made.value .. (made.pattern and " like " .. made.pattern or "")
end

---A row is a duplicate when an earlier one has the same values; nulls are equal to nothing.
function predicates.duplicateValues(made, _, table_name)
  local columns = made.columns
  return ("%s AND t._rowid_ NOT IN (SELECT min(d._rowid_) FROM %s AS d WHERE %s GROUP BY %s)")
    :format(no_nulls(columns, "t."), sql.identifier(table_name), no_nulls(columns, "d."),
      column_list(columns, "d.")), "occurs more than once"
end

---@param made tidegate.contract.Rule
---@return string
local function subject(made)
  if made.columns then return table.concat(made.columns, ", ") end
  return made.column or "the table"
end

---Gives the predicate of a bad row, and what is wrong with one; nil for a rule about the whole table.
---@param made tidegate.contract.Rule
---@param table_name string
---@return string? predicate
---@return string reason
function sql.predicate(made, table_name)
  local make = predicates[made.check]
  if not make then return nil, made.check end
  local column = made.column and "t." .. sql.identifier(made.column)
  local text, words = make(made, column, table_name)
  return "(" .. text .. ")", subject(made) .. " " .. words
end

---Counts duplicates without row numbers, which a view has not.
local function duplicates_measure(made, name)
  return ([[
SELECT (SELECT count(*) FROM %s) AS total, coalesce(sum(n - 1), 0) AS failed
FROM (SELECT count(*) AS n FROM %s AS t WHERE %s GROUP BY %s)]])
    :format(name, name, no_nulls(made.columns, "t."), column_list(made.columns, "t."))
end

---Wraps a query of the contract: it cannot but read, and gives one column.
local function query_measure(made, name)
  local query = rule.expand(made.query,
    { object = name, property = made.column and sql.identifier(made.column) })
  query = query:gsub("[%s;]+$", "")
  return ([[
WITH measured(value) AS (
%s
) SELECT min(value) AS value, count(*) AS rows FROM measured]]):format(query)
end

---Gives the query that measures a rule: one row with `total` and `failed`, or with `total` alone for
---rowCount, or with `value` and `rows` for sql.
---@param made tidegate.contract.Rule
---@param table_name string
---@return string
function sql.measure(made, table_name)
  local name = sql.identifier(table_name)
  if made.check == "rowCount" then return "SELECT count(*) AS total FROM " .. name end
  if made.check == "duplicateValues" then return duplicates_measure(made, name) end
  if made.check == "sql" then return query_measure(made, name) end
  return ([[
SELECT count(*) AS total, coalesce(sum(CASE WHEN %s THEN 1 ELSE 0 END), 0) AS failed
FROM %s AS t]]):format(sql.predicate(made, table_name), name)
end

return sql
