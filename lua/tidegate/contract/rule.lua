-- SPDX-License-Identifier: Apache-2.0
--- Reads the quality rules of an object or a property.
local custom = require "tidegate.contract.custom"
local fields = require "tidegate.contract.fields"
local pattern = require "tidegate.contract.pattern"
local threshold = require "tidegate.contract.threshold"
local yaml = require "tidegate._yaml"

local rule = {}

---@class tidegate.contract.Rule
---@field id string unique in its object
---@field check string a metric of the library, "sql", "logicalType" or an option of a type
---@field action tidegate.contract.Action
---@field column? string the physical column it looks at
---@field columns? string[] of duplicateValues
---@field expectations tidegate.contract.Expectation[]
---@field unit tidegate.contract.Unit
---@field values? any[] of missingValues and invalidValues; null is left out
---@field has_null? boolean missingValues: null is missing too
---@field pattern? string of invalidValues, as it is written
---@field posix? string the same for the warehouse
---@field query? string of sql
---@field value? any of an option
---@field logical_type? string
---@field description? string
---@field line integer
---@field position integer the column of the file at which it begins

---@class tidegate.contract.Scope where a rule stands
---@field property? string the property's name; nil for a rule of an object
---@field column? string
---@field columns table<string, string> property name -> physical column

local types = { "library", "sql", "text", "custom" }
local metrics = fields.names(fields.arguments)
local units = { "rows", "percent" }
local former = { duplicateCount = "duplicateValues", nullCheck = "nullValues" } -- `rule` of 3.0
local belongs_to_object = { rowCount = true }
local belongs_to_property = { nullValues = true, missingValues = true, invalidValues = true }
local placeholders = {
  object = "object", table = "object", property = "property", column = "property",
}

-- What only one type of rule has: a field under another type would be ignored in silence.
local only_of = {
  metric = "library", rule = "library", arguments = "library", query = "sql", engine = "custom",
  implementation = "custom",
}

---@param node tidegate.contract.Node
local function type_read(node, got)
  local kind = node:word("type", types)
  if node:child("type") and not kind then return nil end
  kind = kind or (got.query and "sql") or "library"
  for _, field in ipairs(fields.names(only_of)) do
    if got[field] ~= nil and only_of[field] ~= kind then
      node:child(field):fault(("'%s' is for rules of type %s, this one is of type %s")
        :format(field, only_of[field], kind))
    end
  end
  return kind
end

---@param node tidegate.contract.Node
---@return string?
local function metric_read(node, got)
  if got.metric then return node:word("metric", metrics) end
  if former[got.rule] then return former[got.rule] end
  if got.rule then return node:word("rule", metrics) end
  if not node:child("metric") then
    node:fault("a library rule needs a metric", "one of: " .. table.concat(metrics, ", "))
  end
  return nil
end

---Sets the list of values of a metric, null apart, since SQL compares nothing with null.
---@param list tidegate.contract.Node?
---@param into tidegate.contract.Rule
local function values_read(list, into)
  if not list then return end
  into.values = {}
  for i, value in ipairs(list.value) do
    if list.place.children[i].kind ~= "scalar" then
      list:fault("values must be scalars")
    elseif value == yaml.null then
      into.has_null = true
    else
      into.values[#into.values + 1] = value
    end
  end
end

---@param node tidegate.contract.Node
---@param scope tidegate.contract.Scope
---@return string[]?
local function columns_read(node, scope)
  local columns = {}
  for _, item in ipairs(node:items("properties")) do
    local column = scope.columns[item.value]
    if not column then
      item:unknown(("the object has no property '%s'"):format(tostring(item.value)), item.value,
        fields.names(scope.columns))
    end
    columns[#columns + 1] = column
  end
  return columns
end

local arguments_read = {}

function arguments_read.missingValues(_, node, got, into)
  into.values, into.has_null = { "" }, true
  if got.missingValues then
    into.has_null = false
    values_read(node:child("missingValues"), into)
  end
end

---Translates a pattern for the warehouse; one that cannot be is a fault.
---@param at tidegate.contract.Node
---@return string?
function rule.pattern_read(at)
  local posix, why = pattern.to_posix(at.value)
  if not posix then at:fault("the pattern cannot be used: " .. why) end
  return posix
end

function arguments_read.invalidValues(holder, node, got, into)
  into.pattern = got.pattern
  into.posix = got.pattern and rule.pattern_read(node:child("pattern"))
  if got.validValues then values_read(node:child("validValues"), into) end
  if not (got.pattern or got.validValues) then
    holder:fault("invalidValues needs arguments", "validValues: [...] or pattern: '...'")
  end
end

function arguments_read.duplicateValues(holder, node, got, into, scope)
  if got.properties then
    into.columns = columns_read(node, scope)
    into.column = nil
  elseif scope.column then
    into.columns = { scope.column }
  end
  if not into.columns or (got.properties and #got.properties == 0) then
    holder:fault("duplicateValues of an object needs arguments", "properties: [...]")
  end
end

---@param node tidegate.contract.Node
---@param into tidegate.contract.Rule
---@param scope tidegate.contract.Scope
local function library_read(node, got, into, scope)
  local metric = metric_read(node, got)
  if not metric then return end
  into.check = metric
  if belongs_to_object[metric] and scope.property then
    node:fault(metric .. " is a metric of an object, not of a property")
  elseif belongs_to_property[metric] and not scope.property then
    node:fault(metric .. " is a metric of a property, not of an object")
  end
  into.unit = node:word("unit", units) --[[@as tidegate.contract.Unit?]] or "rows"
  if metric == "rowCount" and into.unit == "percent" then
    node:child("unit"):fault("rowCount is counted in rows")
  end
  local arguments = node:child("arguments")
  local have = arguments and arguments:read(fields.arguments[metric], "arguments of " .. metric)
  local read = arguments_read[metric]
  if read then read(node, arguments, have or {}, into, scope) end
end

---@param node tidegate.contract.Node
---@param into tidegate.contract.Rule
---@param scope tidegate.contract.Scope
local function sql_read(node, got, into, scope)
  into.check, into.unit, into.query = "sql", "value", got.query
  if not got.query then
    if not node:child("query") then node:fault("a rule of type sql needs a query") end
    return
  end
  local query = node:child("query") --[[@as tidegate.contract.Node]]
  if not got.query:find("%S") then query:fault("the query is empty") end
  for dollar, word in got.query:gmatch("(%$?){(%a+)}") do
    local meaning = placeholders[word]
    if meaning == "property" and not scope.property then
      query:fault(("the placeholder {%s} has no meaning in a rule of an object"):format(word))
    elseif not meaning and dollar == "$" then
      query:unknown(("unknown placeholder '${%s}'"):format(word), word, fields.names(placeholders))
    end
  end
end

---Puts identifiers for the placeholders of a query. Other words in braces are left as they are.
---
---Source: ODCS 3.1.0, "SQL": {object} and {property}; the JSON schema's example has ${table} and
---        ${column}
---@param query string
---@param identifiers { object: string, property: string? }
---@return string
function rule.expand(query, identifiers)
  return (query:gsub("%$?{(%a+)}", function(word)
    return identifiers[placeholders[word]]
  end))
end

---Says whether dropping all bad rows can make a rule hold. It cannot for a rule about no rows of its
---own, nor where the expectation does not hold for 0 bad rows.
---@param into tidegate.contract.Rule
---@param node tidegate.contract.Node
local function drop_check(node, into)
  if into.action ~= "drop" then return end
  if into.check == "rowCount" or into.check == "sql" then
    node:fault(("%s is about the whole table: it has no rows to drop"):format(into.check),
      "use the action warn or fail")
  elseif not threshold.holds(into.expectations, 0) then
    node:fault("dropping the bad rows could never make this rule hold",
      "expect 0, or an upper bound")
  end
end

---@param got table<string, any>
---@return tidegate.contract.Action
local function severity_action(got)
  local severity = (got.severity or ""):lower()
  return (severity == "warning" or severity == "info") and "warn" or "fail"
end

---Tells about a rule that is no mapping, or whose arguments stand beside `arguments`, as in an
---example of the standard's text.
---@param node tidegate.contract.Node
---@return boolean is_wrong
local function shape_check(node)
  if not node:expect("a quality rule", "mapping") then return true end
  for _, known in pairs(fields.arguments) do
    for name in pairs(known) do
      if node:child(name) then
        node:child(name):fault(("'%s' belongs under 'arguments'"):format(name), "indent it")
        return true
      end
    end
  end
  return false
end

---Reads a quality rule; nil for one that is not checked by Tidegate or that is faulty.
---@param node tidegate.contract.Node
---@param scope tidegate.contract.Scope
---@return tidegate.contract.Rule?
function rule.read(node, scope)
  if shape_check(node) then return nil end
  local faults = #node.reader.faults
  local got = node:read(fields.rule, "a quality rule")
  local action = custom.action(node)
  local kind = type_read(node, got)
  if kind == "text" then node:note("a rule of type text is for people; it is not checked") end
  if kind == "custom" then
    node:fault(("a rule of type custom (engine %s) is not supported"):format(got.engine or "?"),
      "use type library or sql")
  end
  if kind ~= "library" and kind ~= "sql" then return nil end
  local into = {
    id = got.id or got.name, action = action or severity_action(got), column = scope.column,
    description = got.description, line = node.place.line, position = node.place.column,
  };
  (kind == "sql" and sql_read or library_read)(node, got, into, scope)
  into.expectations = threshold.read(node, got, into.unit)
  if #node.reader.faults == faults then drop_check(node, into) end
  if #node.reader.faults > faults then return nil end
  into.id = into.id or (scope.property and scope.property .. "." or "") .. into.check
  return into
end

return rule
