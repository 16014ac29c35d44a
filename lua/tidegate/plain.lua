-- SPDX-License-Identifier: Apache-2.0
--- Plain data: nil, booleans, numbers, strings and trees of them. Nothing else leaves a script.
local native = require "tidegate._native"

local plain = {}

local DEPTH_MAX = 64 -- as TG_RESULT_DEPTH_MAX in host/base/limits.h

local function copy(value, path, depth)
  local kind = type(value)
  if value == native.null or kind == "nil" or kind == "boolean" or kind == "number"
    or kind == "string" then
    return value
  end
  if kind ~= "table" then error(("%s is a %s, which is not plain data"):format(path, kind), 0) end
  if depth > DEPTH_MAX then
    error(("%s is nested deeper than %d levels, or contains itself"):format(path, DEPTH_MAX), 0)
  end
  local result = {}
  for key, item in pairs(value) do
    if type(key) ~= "string" and math.type(key) ~= "integer" then
      error(("%s has a key that is a %s"):format(path, type(key)), 0)
    end
    result[key] = copy(item, ("%s.%s"):format(path, key), depth + 1)
  end
  return result
end

---Copies plain data, so that nothing is shared with whoever made it.
---
---Errors: raises for a function, a cycle and everything else that is not plain, naming its path
---@generic T
---@param value T
---@param name string what the value is called in errors
---@return T
function plain.copy(value, name)
  return copy(value, name, 1)
end

local function key_less(a, b)
  if type(a) ~= type(b) then return type(a) < type(b) end
  if type(a) == "number" or type(a) == "string" then return a < b end
  return tostring(a) < tostring(b)
end

-- A list is not walked: that takes longer than counting.
local function places(count)
  local result = {}
  for i = 1, count do result[i] = i end
  return result
end

---Gives the keys of a table in a fixed order.
---@param map table
---@return any[]
function plain.keys(map)
  if native.size(map) == rawlen(map) then return places(rawlen(map)) end
  local keys, is_sorted = {}, true
  for key in pairs(map) do
    local last = keys[#keys]
    is_sorted = is_sorted and (last == nil or key_less(last, key))
    keys[#keys + 1] = key
  end
  if not is_sorted then table.sort(keys, key_less) end
  return keys
end

return plain
