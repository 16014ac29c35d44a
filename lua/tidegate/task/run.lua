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

run.schema = {
  pipeline = { schema.name, required = true },
  params = { table_or_function, default = {} },
  wait = { schema.boolean, default = true },
}

function run.bake(task)
  task.pipeline = task.own.pipeline
end

local function params_of(task, ctx)
  local given, err = task.own.params, nil
  if type(given) == "function" then given, err = given(ctx) end
  if given == nil and err ~= nil then return nil, err end
  if type(given) ~= "table" then
    return nil, {
      code = "invalid", class = "permanent",
      message = ("params of %q must give a table, not %s"):format(
        task.name, words.describe(given)),
    }
  end
  return plain.copy(given, "params")
end

function run.run(task, ctx)
  local own = task.own
  local params, fault = params_of(task, ctx)
  if not params then return nil, fault end
  local child, err = native.child(own.pipeline, params, { wait = own.wait })
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
