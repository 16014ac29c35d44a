-- SPDX-License-Identifier: Apache-2.0
--- Types of fields, and the check of a table against a schema of them.
---
--- A type is a function (value, report, name) -> the value in its baked form. It reports what is
--- wrong under the field's name; what it returns then does not matter, as nothing with faults is
--- used. A schema is a table: field = { type, required =, default = }.
local native = require "tidegate._native"
local plain = require "tidegate.plain"
local suggest = require "tidegate.suggest"
local units = require "tidegate.units"
local words = require "tidegate.pipeline.words"

local schema = {}

---@alias tidegate.Report fun(message: string, hint?: string)
---@alias tidegate.Type fun(value: any, report: tidegate.Report, name: string): any
---@class tidegate.Field
---@field [1] tidegate.Type
---@field required? boolean
---@field default? any in its baked form
---@alias tidegate.Schema table<string, tidegate.Field>

local function mismatch(report, name, what, value, hint)
  report(("%s must be %s, not %s"):format(name, what, words.describe(value)), hint)
end

-- The test that a type was made of: what passes it need not be given a name in reports.
local tests = {}

local function never() return false end

---Makes a type of a test.
---@param what string "a string"
---@param holds fun(value: any): any
---@param hint string?
---@return tidegate.Type
function schema.type(what, holds, hint)
  local function check(value, report, name)
    if not holds(value) then mismatch(report, name, what, value, hint) end
    return value
  end
  tests[check] = holds
  return check
end

local function is(kind)
  return function(value) return type(value) == kind end
end

schema.string = schema.type("a string", is "string")
schema.boolean = schema.type("true or false", is "boolean")
schema.func = schema.type("a function", is "function")
schema.number = schema.type("a number", is "number")

---The names of pipelines, tasks and parameters; as long as TG_NAME_BYTES_MAX allows.
schema.name = schema.type("a name", function(value)
  return type(value) == "string" and #value <= 128 and value:find("^[a-z][a-z0-9_]*$")
end, "a small letter, then small letters, digits and _; at most 128")

---The names of tables and columns.
schema.identifier = schema.type("the name of a table or column", function(value)
  return type(value) == "string" and #value <= 128 and value:find("^[%a_][%w_]*$")
end, "letters, digits and _")

---@param value any
function schema.duration(value, report, name)
  local ms = units.duration(value)
  if not ms then mismatch(report, name, "a duration", value, units.duration_hint) end
  return ms
end

---@param min integer
---@param max integer
---@return tidegate.Type
function schema.integer(min, max)
  local what = ("an integer from %d to %d"):format(min, max)
  return function(value, report, name)
    local integer = math.type(value) and math.tointeger(value)
    if not integer or integer < min or integer > max then mismatch(report, name, what, value) end
    return integer
  end
end

---@param values string[]
---@return tidegate.Type
function schema.enum(values)
  return function(value, report, name)
    for _, accepted in ipairs(values) do
      if value == accepted then return value end
    end
    mismatch(report, name, "one of " .. table.concat(values, ", "), value,
      suggest.nearest(value, values) and suggest.hint(value, values))
  end
end

---A list of one type; one value alone is a list of one.
---@param item tidegate.Type
---@return tidegate.Type
function schema.list(item)
  local holds = tests[item] or never
  return function(value, report, name)
    if type(value) ~= "table" or words.record(value) then return { item(value, report, name) } end
    local result, count = {}, #value
    for key = 1, count do
      local one = value[key]
      result[key] = holds(one) and one or item(one, report, name .. "[" .. key .. "]")
    end
    if native.size(value) ~= count then
      for _, key in ipairs(plain.keys(value)) do
        if math.type(key) ~= "integer" or key < 1 or key > count then
          report(("%s must be a list, it has a field %s"):format(name, words.describe(key)))
        end
      end
    end
    return result
  end
end

---A list of strings, or one string.
schema.strings = schema.list(schema.string)

---Plain data of any form.
function schema.plain(value, report, name)
  local ok, copy = pcall(plain.copy, value, name)
  if not ok then report(copy) end
  return copy
end

---A table with the fields of a schema.
---@param fields tidegate.Schema
---@return tidegate.Type
function schema.record(fields)
  return function(value, report, name)
    if type(value) ~= "table" or words.record(value) then
      mismatch(report, name, "a table", value,
        "{ " .. table.concat(plain.keys(fields), ", ") .. " }")
      return {}
    end
    return schema.check(value, fields, report, name)
  end
end

local function path(prefix, key)
  if not prefix and type(key) == "string" then return key end
  local own = type(key) == "string" and key or ("[%s]"):format(key)
  return prefix and prefix .. "." .. own or own
end

local function unknown_field(key, at, fields, report)
  if type(key) ~= "string" then
    report(("%s stands without a name before it"):format(at))
  else
    report("unknown field " .. at, suggest.hint(key, plain.keys(fields)))
  end
end

-- The names of a schema's required fields in a fixed order, worked out once.
local required_of = {}

local function required(fields)
  local names = required_of[fields]
  if names then return names end
  names = {}
  for _, key in ipairs(plain.keys(fields)) do
    if fields[key].required then names[#names + 1] = key end
  end
  required_of[fields] = names
  return names
end

local function has_keys(given, keys)
  if not keys or native.size(given) ~= #keys then return false end
  for i = 1, #keys do
    if rawget(given, keys[i]) == nil then return false end
  end
  return true
end

-- The keys of the table that was checked last, by schema: tables that a loop makes have the same
-- ones, so that they are put in order once.
local last_keys = {}

local function keys_of(given, fields)
  if not has_keys(given, last_keys[fields]) then last_keys[fields] = plain.keys(given) end
  return last_keys[fields]
end

---Checks a table and gives the fields that it has in their baked form.
---@param given table
---@param fields tidegate.Schema
---@param report tidegate.Report
---@param prefix string? the name of the table, if it is a field itself
---@return table
function schema.check_given(given, fields, report, prefix)
  local result, keys = {}, keys_of(given, fields)
  for i = 1, #keys do
    local key = keys[i]
    local value, field = given[key], fields[key]
    if not field then
      unknown_field(key, path(prefix, key), fields, report)
    elseif type(value) ~= "table" or not words.is_unknown(value) then
      result[key] = field[1](value, report, path(prefix, key))
    end
  end
  for _, key in ipairs(required(fields)) do
    if given[key] == nil then report(("%s is missing"):format(path(prefix, key))) end
  end
  return result
end

---Gives the defaults of a schema's fields.
---@param fields tidegate.Schema
---@return table
function schema.defaults(fields)
  local result = {}
  for key, field in pairs(fields) do result[key] = field.default end
  return result
end

---Checks a table and gives its fields in their baked form, defaults filled in.
---@param given table
---@param fields tidegate.Schema
---@param report tidegate.Report
---@param prefix string? the name of the table, if it is a field itself
---@return table
function schema.check(given, fields, report, prefix)
  local result = schema.check_given(given, fields, report, prefix)
  for key, field in pairs(fields) do
    if given[key] == nil then result[key] = field.default end
  end
  return result
end

return schema
