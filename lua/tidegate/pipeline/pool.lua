-- SPDX-License-Identifier: Apache-2.0
--- Pools: slots that tasks of all kinds take while they run. A pipeline says how many there are,
--- a task how many of which it takes: all at once, or it waits. Those that all pipelines share
--- stand in tidegate.yaml.
---
---   tg.pipeline "orders" { pools = { warehouse = 4 }, ... }
---   tg.task "load" { pool = "warehouse", ... }               one slot
---   tg.task "load" { pool = { warehouse = 2, api = 1 }, ... }
local plain = require "tidegate.plain"
local schema = require "tidegate.pipeline.schema"
local words = require "tidegate.pipeline.words"

local pool = {}

local SLOTS_MAX = 1000000

local slots = schema.integer(1, SLOTS_MAX)

-- A table of names and numbers of slots.
local function slots_by_name(value, report, name)
  local result = {}
  if type(value) ~= "table" or words.record(value) then
    report(("%s must be a table, not %s"):format(name, words.describe(value)),
      "{ warehouse = 4 }")
    return result
  end
  for _, key in ipairs(plain.keys(value)) do
    local path = ("%s.%s"):format(name, tostring(key))
    schema.name(key, report, "the name of " .. path)
    result[key] = slots(value[key], report, path)
  end
  return result
end

---The type of a pipeline's pools.
pool.all = slots_by_name

---The type of what a task takes: a pool's name stands for one slot of it.
function pool.taken(value, report, name)
  if type(value) ~= "string" then return slots_by_name(value, report, name) end
  return { [schema.name(value, report, name)] = 1 }
end

---Checks that a task can be given what it takes: it would wait for ever otherwise. A pool that the
---pipeline has not is the project's, which the host knows.
---@param task tidegate.BakedTask
---@param pools table<string, integer> of its pipeline
---@param report tidegate.Report
function pool.check(task, pools, report)
  for _, name in ipairs(plain.keys(task.pool)) do
    local there, taken = pools[name], task.pool[name]
    if there and taken > there then
      report(("it takes %d slots of the pool %q, which has %d: it could never start"):format(
        taken, name, there))
    end
  end
end

return pool
