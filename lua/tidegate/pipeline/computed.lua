-- SPDX-License-Identifier: Apache-2.0
--- Parameters whose default is a function of the others. They are computed when a run is made, in
--- the order in which they look at one another, and then frozen with it.
---
---   params = {
---     region = tg.enum { "US", "EU", default = "EU" },
---     table  = tg.string { default = function(params) return "orders_" .. params.region:lower() end },
---   }
local native = require "tidegate._native"
local params = require "tidegate.pipeline.params"
local plain = require "tidegate.plain"
local suggest = require "tidegate.suggest"

local computed = {}

local OWN = {} -- marks what was told here from what a script raised

local function fail(text, ...)
  error({ [OWN] = true, code = "invalid", class = "permanent", message = text:format(...) }, 0)
end

-- What went wrong in a function; what failed in one that it looked at was told there.
local function fail_in(name, err)
  local is_table = type(err) == "table"
  if is_table and err[OWN] then error(err, 0) end
  fail("parameter %q cannot be computed: %s", name, tostring(is_table and err.message or err))
end

-- Makes the table that the functions look at: reading a parameter that is not computed yet does it.
local function view_of(types, known, compute)
  return setmetatable({}, {
    __metatable = false,
    __newindex = function() error("parameters cannot be changed: return the value", 2) end,
    __index = function(_, name)
      if known[name] == nil and types[name] and types[name].compute then compute(name) end
      if known[name] == nil and not types[name] then
        local hint = suggest.hint(tostring(name), plain.keys(types))
        error(("there is no parameter %q%s"):format(tostring(name), hint and "; " .. hint or ""), 2)
      end
      local value = known[name]
      if types[name].secret then error(("parameter %q is secret"):format(name), 2) end
      if value == native.null then return nil end
      return type(value) == "table" and plain.copy(value, name) or value
    end,
  })
end

local function check_cycle(way, name)
  for i, earlier in ipairs(way) do
    if earlier == name then
      fail("parameters need each other: %s",
        table.concat(table.move(way, i, #way, 1, {}), " -> ") .. " -> " .. name)
    end
  end
end

---Computes what has no value yet, and checks all values against their types.
---
---Errors: raises { code = "invalid" } naming the parameter, or the parameters of a cycle
---@param types table<string, tidegate.Param>
---@param given table<string, any> the values that there are
---@param run { logical_date: string, interval: table, partition: string? } what else they may use
---@return table<string, any> values of those that were computed
function computed.values(types, given, run)
  local known, values, way = plain.copy(given, "params"), {}, {}
  local view
  local function compute(name)
    check_cycle(way, name)
    way[#way + 1] = name
    local ok, value, err = pcall(types[name].compute, view, run)
    if not ok then fail_in(name, value) end
    if value == nil and err ~= nil then fail_in(name, err) end
    local fitting, fault = params.value(types[name], value, ("parameter %q"):format(name))
    if fault or fitting == nil then
      fail("%s", fault or ("parameter %q was computed to nothing"):format(name))
    end
    way[#way] = nil
    known[name] = plain.copy(fitting, name)
    values[name] = known[name]
  end
  view = view_of(types, known, compute)
  for _, name in ipairs(plain.keys(types)) do
    if known[name] == nil and types[name].compute then compute(name) end
  end
  for _, name in ipairs(plain.keys(types)) do
    local _, fault = params.value(types[name], known[name], ("parameter %q"):format(name))
    if fault then fail("%s", fault) end
  end
  return values
end

return computed
