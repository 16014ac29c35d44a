-- SPDX-License-Identifier: Apache-2.0
--- tg.run: another pipeline, as a run of its own that belongs to this one. However often the task is
--- tried, it is one and the same child run.
---
---   tg.run "export" { after = "gold", pipeline = "orders_export",
---                     params = function(ctx) return { day = ctx.params.day } end }
local native = require "tidegate._native"
local plain = require "tidegate.plain"
local schema = require "tidegate.pipeline.schema"
local words = require "tidegate.pipeline.words"

local run = {}

local function table_or_function(value, report, name)
  if type(value) == "function" then return value end
  if type(value) ~= "table" or words.record(value) then
    report(("%s must be a table or a function of ctx, not %s"):format(name, words.describe(value)),
      'params = { region = "EU" }')
    return nil
  end
  for _, key in ipairs(plain.keys(value)) do
    schema.name(key, report, ("the name of %s.%s"):format(name, tostring(key)))
  end
  return schema.plain(value, report, name)
end

local function text_or_function(value, report, name)
  if type(value) ~= "function" and type(value) ~= "string" then
    report(("%s must be a name or a function of ctx, not %s"):format(name, words.describe(value)),
      'partition = "EU"')
  end
  return value
end

run.schema = {
  pipeline = { schema.name, required = true },
  params = { table_or_function, default = {} },
  partition = { text_or_function },
  wait = { schema.boolean, default = true },
}

function run.bake(task)
  task.pipeline = task.own.pipeline
end

-- Gives a field that may be a function of ctx.
local function value_of(task, ctx, name, kind)
  local given, err = task.own[name], nil
  if type(given) == "function" then given, err = given(ctx) end
  if given == nil and err ~= nil then return nil, err end
  if type(given) == kind then return given end
  return nil, {
    code = "invalid", class = "permanent",
    message = ("%s of %q must give a %s, not %s"):format(
      name, task.name, kind, words.describe(given)),
  }
end

function run.run(task, ctx)
  local own = task.own
  local params, fault = value_of(task, ctx, "params", "table")
  if not params then return nil, fault end
  local partition
  if own.partition then partition, fault = value_of(task, ctx, "partition", "string") end
  if fault then return nil, fault end
  local child, err = native.child(own.pipeline, plain.copy(params, "params"),
    { wait = own.wait, partition = partition })
  if not child then return nil, err end
  if not own.wait or child.state == "success" or child.state == "skipped" then return child end
  local because = child.error and ": " .. child.error or ""
  return nil, {
    code = "script", class = "permanent",
    message = ("run %s of pipeline %q ended %s%s"):format(
      child.run, own.pipeline, child.state, because),
  }
end

return run
