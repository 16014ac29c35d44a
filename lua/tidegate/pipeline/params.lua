-- SPDX-License-Identifier: Apache-2.0
--- Typed values: the parameters of a pipeline and the inputs of a policy. tg.int { min = 0 } is baked
--- to plain data, against which values are checked.
local native = require "tidegate._native"
local schema = require "tidegate.pipeline.schema"
local units = require "tidegate.units"
local words = require "tidegate.pipeline.words"

local params = {}

---@class tidegate.Param
---@field type "string"|"int"|"number"|"bool"|"enum"|"date"|"list"
---@field doc string
---@field default any
---@field default_is? "logical_date"|"computed"
---@field compute? fun(params: table, run: table): any, any gives the default (computed.lua)
---@field optional? boolean inputs of policies only
---@field required boolean
---@field values? string[] of an enum
---@field of? tidegate.Param of a list
---@field min? number
---@field max? number
---@field min_length? integer of a string in bytes, of a list in items
---@field max_length? integer
---@field pattern? string
---@field secret? boolean its value is known to the host alone; scripts get a handle

local function is_integer(value) return math.type(value) == "integer" end

local function is_within(param, value)
  return (not param.min or value >= param.min) and (not param.max or value <= param.max)
end

local function has_length(param, value)
  return #value >= (param.min_length or 0) and #value <= (param.max_length or math.maxinteger)
end

local function range(param, what)
  if param.min and param.max then return ("%s from %s to %s"):format(what, param.min, param.max) end
  if param.min then return ("%s of at least %s"):format(what, param.min) end
  if param.max then return ("%s of at most %s"):format(what, param.max) end
  return what
end

-- A pattern is for the whole string, whether it says so or not.
local function whole(pattern)
  local escapes = pattern:match "(%%*)%$$"
  local body = escapes and #escapes % 2 == 0 and pattern:sub(1, -2) or pattern
  return "^" .. body:gsub("^%^", "") .. "$"
end

local LENGTHS = {
  min_length = { schema.integer(0, math.maxinteger) },
  max_length = { schema.integer(0, math.maxinteger) },
}

-- A type has the fields it takes beside default, optional and doc; `holds` tells whether a value is
-- of the type, `expects` says in words what is.
local TYPES = {
  string = {
    fields = {
      pattern = { schema.string },
      min_length = LENGTHS.min_length,
      max_length = LENGTHS.max_length,
      secret = { schema.boolean },
    },
    holds = function(param, value)
      return type(value) == "string" and has_length(param, value)
        and (not param.pattern or value:find(whole(param.pattern)) ~= nil)
    end,
    expects = function(param)
      local text = "a string"
      if param.pattern then text = text .. (" like %q"):format(param.pattern) end
      if param.min_length then text = text .. (" of at least %d bytes"):format(param.min_length) end
      if param.max_length then text = text .. (" of at most %d bytes"):format(param.max_length) end
      return text
    end,
  },
  int = {
    fields = { min = { schema.number }, max = { schema.number } },
    holds = function(param, value) return is_integer(value) and is_within(param, value) end,
    expects = function(param) return range(param, "an integer") end,
  },
  number = {
    fields = { min = { schema.number }, max = { schema.number } },
    holds = function(param, value) return math.type(value) and is_within(param, value) end,
    expects = function(param) return range(param, "a number") end,
  },
  bool = {
    fields = {},
    holds = function(_, value) return type(value) == "boolean" end,
    expects = function() return "true or false" end,
  },
  enum = {
    fields = { values = { schema.strings, required = true } },
    holds = function(param, value)
      for _, accepted in ipairs(param.values) do
        if value == accepted then return true end
      end
      return false
    end,
    expects = function(param) return "one of " .. table.concat(param.values, ", ") end,
  },
  date = {
    fields = {},
    holds = function(_, value) return units.is_date(value) end,
    expects = function() return 'a date such as "2026-11-20"' end,
  },
  list = {
    fields = { min_length = LENGTHS.min_length, max_length = LENGTHS.max_length },
    holds = function(param, value)
      if type(value) ~= "table" or not has_length(param, value) then return false end
      local count = 0
      for _, item in pairs(value) do
        if not params.holds(param.of, item) then return false end
        count = count + 1
      end
      return count == #value
    end,
    expects = function(param) return "a list, each " .. params.expects(param.of) end,
  },
}

---Tells whether a value is of a type.
---@param param tidegate.Param
---@param value any
---@return boolean
function params.holds(param, value)
  return TYPES[param.type].holds(param, value) and true or false
end

---Says in words what a type takes.
---@param param tidegate.Param
---@return string
function params.expects(param)
  return TYPES[param.type].expects(param)
end

---Tells whether a value is a type: tg.int { ... }
---@param value any
---@return boolean
function params.is_type(value)
  local record = words.record(value)
  return record ~= nil and TYPES[record.word] ~= nil
end

-- tg.enum { "US", "EU", default = "EU" }: the values stand in the list part.
local function enum_values(body)
  local result = { values = {} }
  for key, value in pairs(body) do
    if math.type(key) == "integer" then result.values[key] = value else result[key] = value end
  end
  return result
end

-- The name in the handle of one secret, tg.secret "NAME"; nil for anything else.
local function secret_name(value)
  local parts = type(value) == "table" and not words.record(value) and value.parts
  local part = type(parts) == "table" and #parts == 1 and parts[1]
  return part and part.secret and part.text or nil
end

-- What is kept of a secret is where it is to be found; the host knows these places.
local function bake_secret_default(param, value, report)
  local name = secret_name(value)
  if not name then
    report("the default of a secret must be a secret, not " .. words.describe(value),
      'default = tg.secret "NAME"')
  end
  param.default = name and "secret:" .. name
end

local function bake_default(param, value, report)
  if value == nil then return end
  if param.secret then return bake_secret_default(param, value, report) end
  local record = words.record(value)
  if record and record.word == "logical_date" and param.type == "date" then
    param.default_is = "logical_date"
  elseif type(value) == "function" then
    param.default_is, param.compute = "computed", value
  elseif not params.holds(param, value) then
    report(("default must be %s, not %s"):format(params.expects(param), words.describe(value)))
  else
    param.default = schema.plain(value, report, "default")
  end
end

local function as_is(value) return value end

-- The options of a type beside its own.
local function option_fields(word)
  local fields = {
    default = { as_is },
    doc = { schema.string, default = "" },
    optional = { schema.boolean },
    required = { schema.boolean },
    of = word == "list" and { as_is } or nil,
  }
  for name, field in pairs(TYPES[word].fields) do fields[name] = field end
  return fields
end

local function check_options(param, report)
  if param.values and #param.values == 0 then report("an enum needs values") end
  if param.pattern and not pcall(string.find, "", param.pattern) then
    report(("pattern %q is not a Lua pattern"):format(param.pattern))
  end
  if param.secret and (param.pattern or param.min_length or param.max_length) then
    report("a secret has no pattern and no length, because scripts do not see it")
  end
  if param.of ~= nil and not params.is_type(param.of) then
    report("of must be a type such as tg.string {}, not " .. words.describe(param.of))
  end
end

-- What has no default is required, whether it says so or not.
local function bake_required(param, default, report)
  if param.required and default ~= nil then
    report("it has a default, so it is never missing", "leave out required, or the default")
  elseif param.required and param.optional then
    report("it is either required or optional")
  end
  param.optional = param.optional or (param.required == false and default == nil)
  param.required = default == nil and not param.optional
end

---Bakes what a type word was given; nil if that is faulty.
---
---Shape:  a declaration of tg.string, tg.int, ... -> plain data, and the function that computes the
---        default if there is one; what is wrong is reported
---@param declaration tidegate.Declaration
---@param report tidegate.Report
---@return tidegate.Param?
function params.bake(declaration, report)
  local record = words.record(declaration) --[[@as tidegate.Record]]
  local body = record.body == nil and {} or record.body
  if type(body) ~= "table" then
    report(("tg.%s takes a table, not %s"):format(record.word, words.describe(body)))
    return nil
  end
  local is_faulty = false
  local function fault(message, hint)
    is_faulty = true
    report(message, hint)
  end
  local given = record.word == "enum" and enum_values(body) or body
  local param = schema.check(given, option_fields(record.word), fault)
  local default = param.default
  param.type, param.default = record.word, nil
  check_options(param, fault)
  if param.type == "list" and param.of == nil then param.of = { type = "string", doc = "" } end
  if params.is_type(param.of) and not is_faulty then
    param.of = params.bake(param.of, fault)
    if param.of and param.of.secret then fault("the values of a list cannot be secret") end
  end
  if is_faulty then return nil end
  bake_required(param, default, report)
  bake_default(param, default, report)
  return param
end

---Fills in a default, and checks a value; JSON's null counts as none.
---@param param tidegate.Param
---@param value any
---@param name string
---@return any value
---@return string? err
function params.value(param, value, name)
  if value == nil or value == native.null then
    if not param.required then return param.default end
    return nil, ("%s is missing: %s"):format(name, params.expects(param))
  end
  if params.holds(param, value) then return value end
  return nil, ("%s must be %s, not %s"):format(name, params.expects(param), words.describe(value))
end

return params
