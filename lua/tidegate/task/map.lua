-- SPDX-License-Identifier: Apache-2.0
--- tg.map: a function for each item of a list that is known only when it runs.
---
---   tg.map "publish" { after = "regions", limit = 8,
---     over = function(ctx) return ctx.output.regions end,
---     run  = function(ctx, region) ... end }
---
--- The script is asked for the items first (phase "over"), then runs once for each (phase "item").
--- Where `over` is the name of a map before, the items are what that one gave and the host needs
--- nobody to ask: with order = "depth" an item goes on as soon as the map before is done with it.
local json = require "tidegate.json"
local plain = require "tidegate.plain"
local schema = require "tidegate.pipeline.schema"
local words = require "tidegate.pipeline.words"

local map = {}

local COUNT_MAX = 10000000 -- as TG_MAP_ITEMS_MAX in host/base/limits.h

local function source(value, report, name)
  if type(value) == "function" or type(value) == "string" then return value end
  report(("%s must be a function or the name of a map, not %s"):format(name, words.describe(value)),
    "over = function(ctx) return { ... } end")
end

-- 10 is a number of items, "10%" a share of them.
local function failures(value, report, name)
  local count = math.type(value) and math.tointeger(value)
  if count and count >= 1 and count <= COUNT_MAX then return { count = count } end
  local percent = type(value) == "string" and tonumber(value:match("^(%d+%.?%d*)%%$"))
  if percent and percent > 0 and percent <= 100 then return { share = percent / 100 } end
  report(("%s must be a number of items or a share of them, not %s"):format(
    name, words.describe(value)), 'fail_after = 10, or fail_after = "10%"')
end

map.schema = {
  over = { source, required = true },
  run = { schema.func, required = true },
  key = { schema.func },
  limit = { schema.integer(1, COUNT_MAX) },
  limit_per_key = { schema.integer(1, COUNT_MAX) },
  order = { schema.enum { "breadth", "depth" }, default = "breadth" },
  fail_after = { failures },
  items_max = { schema.integer(1, COUNT_MAX), default = 100000 },
}

local function check_keys(own, report)
  if own.limit_per_key and not own.key then
    report("limit_per_key needs a key",
      "key = function(ctx, item) return item.region end")
  elseif own.key and not own.limit_per_key then
    report("key needs limit_per_key, how many items of one key run at once", "limit_per_key = 2")
  elseif own.key and type(own.over) == "string" then
    report("key needs over to be a function, which is asked for the items with their keys",
      ("over = function(ctx) return ctx.output.%s end"):format(own.over))
  end
end

-- A chained map comes after the map that it is over, whether it says so or not.
local function chain(task, name)
  task.over = name
  for _, upstream in ipairs(task.after) do
    if upstream == name then return end
  end
  task.after[#task.after + 1] = name
end

function map.bake(task, report)
  local own = task.own
  check_keys(own, report)
  if type(own.over) == "string" then
    chain(task, own.over)
  elseif own.order == "depth" and own.over then
    report('order = "depth" needs over to be the name of a map', 'over = "fetch"')
  end
  local fail_after = own.fail_after or {}
  task.map = {
    limit = own.limit, limit_per_key = own.limit_per_key, order = own.order,
    fail_after = fail_after.count, fail_share = fail_after.share, items_max = own.items_max,
  }
end

local function failure(code, format, ...)
  return { code = code, class = "permanent", message = format:format(...) }
end

-- Gives a copy of a list, or nil and what is wrong with it.
local function checked_list(task, given)
  if type(given) ~= "table" then
    return nil, failure("invalid", "over of map %q must give a list, not %s",
      task.name, words.describe(given))
  end
  local count, items_max = #given, task.own.items_max
  if count > items_max then
    return nil, failure("limit", "map %q has %d items, more than its items_max of %d",
      task.name, count, items_max)
  end
  for key in pairs(given) do
    if math.type(key) ~= "integer" or key < 1 or key > count then
      return nil, failure("invalid", "over of map %q must give a list, it has a field %s",
        task.name, words.describe(key))
    end
  end
  return json.array(plain.copy(given, "the list of items"))
end

-- Gives the keys of the items as strings, or nil and an error.
local function keys_of(task, ctx, items)
  local keys = json.array {}
  for i, item in ipairs(items) do
    local key = task.own.key(ctx, item)
    if type(key) ~= "string" and type(key) ~= "number" and type(key) ~= "boolean" then
      return nil, failure("invalid", "key of map %q must give a string for item %d, not %s",
        task.name, i, words.describe(key))
    end
    keys[i] = tostring(key)
  end
  return keys
end

local function list_items(task, ctx)
  local given, err = task.own.over(ctx)
  if given == nil and err ~= nil then return nil, err end
  local items, fault = checked_list(task, given)
  if not items then return nil, fault end
  if not task.own.key then return { items = items } end
  local keys, key_fault = keys_of(task, ctx, items)
  if not keys then return nil, key_fault end
  return { items = items, keys = keys }
end

function map.run(task, ctx, _, phase)
  if phase == "over" then return list_items(task, ctx) end
  return task.own.run(ctx, ctx.item)
end

return map
