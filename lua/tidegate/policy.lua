-- SPDX-License-Identifier: Apache-2.0
--- Policies: a pure function from an input of known form to an action, with its tests beside it.
local faults = require "tidegate.faults"
local native = require "tidegate._native"
local params = require "tidegate.pipeline.params"
local plain = require "tidegate.plain"
local schema = require "tidegate.pipeline.schema"
local words = require "tidegate.pipeline.words"

local policy = {}

local KINDS = { "gate", "branch", "retry", "refresh", "trigger", "alert" }

local function table_type(value, report, name)
  if type(value) == "table" and not words.record(value) then return value end
  report(("%s must be a table, not %s"):format(name, words.describe(value)))
end

local TEST = {
  name = { schema.string },
  given = { schema.plain, required = true },
  expect = { schema.plain, required = true },
}

local POLICY = {
  doc = { schema.string, default = "" },
  kind = { schema.enum(KINDS), default = "branch" },
  input = { table_type, required = true },
  decide = { schema.func, required = true },
  test = { schema.list(schema.record(TEST)), default = {} },
}

-- The form of an input is a tree: tables of names, with types as leaves. A table that may be absent
-- says optional = true.
local function bake_input(given, report, path)
  local fields = {}
  for _, name in ipairs(plain.keys(given)) do
    local value, at = given[name], path .. "." .. tostring(name)
    local function here(message, hint) report(at .. ": " .. message, hint) end
    if params.is_type(value) then
      fields[name] = params.bake(value, here)
      if fields[name] and fields[name].compute then here("default must be a value here") end
      if fields[name] and fields[name].secret then here("a policy cannot be given a secret") end
    elseif type(value) == "table" and not words.record(value) then
      fields[name] = { fields = bake_input(value, report, at), required = value.optional ~= true }
    elseif not (name == "optional" and value == true) and not words.is_unknown(value) then
      here("must be a type or a table of types, not " .. words.describe(value),
        "tg.int { min = 0 }")
    end
  end
  return fields
end

-- Takes from a value what the form knows of; raises where it does not fit.
local function fit(fields, value, path)
  local result = {}
  for _, name in ipairs(plain.keys(fields)) do
    local field, item, at = fields[name], value[name], path .. "." .. name
    if item == native.null then item = nil end
    if not field.fields then
      local fitting, err = params.value(field, item, at)
      if err then error(err, 0) end
      result[name] = type(fitting) == "table" and plain.copy(fitting, at) or fitting
    elseif type(item) == "table" then
      result[name] = fit(field.fields, item, at)
    elseif item ~= nil or field.required then
      error(("%s must be a table, not %s"):format(at, words.describe(item)), 0)
    end
  end
  return result
end

local function describe(fields)
  local result = {}
  for name, field in pairs(fields) do
    if field.fields then
      result[name] = { type = "table", fields = describe(field.fields), required = field.required }
    else
      result[name] = {
        type = field.type, doc = field.doc, required = field.required, default = field.default,
        values = field.values, min = field.min, max = field.max,
      }
    end
  end
  return result
end

local function is_action(value)
  if type(value) == "string" then return true end
  if type(value) ~= "table" then return false end
  for key, item in pairs(value) do
    if math.type(key) ~= "integer" or type(item) ~= "string" then return false end
  end
  return true
end

-- Runs a decision and checks its form; raises what is wrong.
local function decide(baked, input)
  if type(input) ~= "table" then
    error("input must be a table, not " .. words.describe(input), 0)
  end
  local output = baked.own_decide(fit(baked.fields, input, "input"))
  if type(output) ~= "table" or words.record(output) then
    error("decide must return a table with an action, not " .. words.describe(output), 0)
  end
  output = plain.copy(output, "output")
  if not is_action(output.action) then
    error("action must be a string or a list of strings, not " .. words.describe(output.action), 0)
  end
  if output.reason ~= nil and type(output.reason) ~= "string" then
    error("reason must be a string, not " .. words.describe(output.reason), 0)
  end
  return output
end

-- Tells whether a value has all that is expected of it; it may have more.
local function has(value, expected)
  if type(expected) ~= "table" or type(value) ~= "table" then return value == expected end
  for key, item in pairs(expected) do
    if not has(value[key], item) then return false end
  end
  return true
end

local function run_tests(baked)
  local results = {}
  for i, test in ipairs(baked.tests) do
    local ok, got = pcall(baked.decide, test.given)
    if not ok then got = { error = tostring(got) } end
    results[i] = {
      index = i, name = test.name, ok = ok and has(got, test.expect), expected = test.expect,
      got = got,
    }
  end
  return results
end

---Bakes what a policy's file returned.
---
---Shape:  -> { doc, kind, input (a description), decide(input) -> output, test() -> results }, or
---        nil and the faults
---@param value any
---@param path string
---@param into tidegate.Faults? already holds what went wrong before
---@return table?
---@return tidegate.Fault[]?
function policy.bake(value, path, into)
  into = into or faults.new(path)
  local report = into:reporter(nil, nil)
  if type(value) ~= "table" or words.record(value) then
    report("the file must return a policy, it returned " .. words.describe(value),
      "return { input = { ... }, decide = function(input) return { action = ... } end }")
    return nil, into:sorted()
  end
  local given = schema.check(value, POLICY, report)
  local fields = bake_input(given.input or {}, report, "input")
  if not into:is_empty() then return nil, into:sorted() end
  local baked = {
    doc = given.doc, kind = given.kind, input = describe(fields),
    fields = fields, own_decide = given.decide, tests = given.test,
  }
  baked.decide = function(input) return decide(baked, input) end
  baked.test = function() return run_tests(baked) end
  return baked
end

return policy
