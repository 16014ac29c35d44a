-- SPDX-License-Identifier: Apache-2.0
--- What the host calls. One Lua state holds one bundle, a pipeline or a policy; it is kept here from
--- its loading on.
local computed = require "tidegate.pipeline.computed"
local context = require "tidegate.context"
local faults = require "tidegate.faults"
local json = require "tidegate.json"
local native = require "tidegate._native"
local params = require "tidegate.pipeline.params"
local plain = require "tidegate.plain"
local words = require "tidegate.pipeline.words"

local worker = {}

---@type tidegate.Pipeline?
local pipeline
local policy

-- Ends the declaring; what went wrong in it is the beginning of the faults.
local function end_declaring(path)
  local into = faults.new(path)
  for _, mistake in ipairs(words.seal()) do into:add(mistake.at, mistake.message, mistake.hint) end
  return into
end

---Makes a plan of what a pipeline's file returned.
---@param value any
---@param path string "pipelines/orders.lua"
---@return table? plan without its tasks
---@return userdata|tidegate.Fault[] tasks_or_faults the tasks as JSON
function worker.build(value, path)
  local into = end_declaring(path)
  local baked = require("tidegate.pipeline.bake").pipeline(value, into)
  if baked then require("tidegate.pipeline.validate").pipeline(baked, into) end
  if not into:is_empty() then return nil, into:sorted() end
  pipeline = baked
  return require("tidegate.pipeline.plan").compile(baked, path)
end

---Makes ready what was built before, of the same files: what validating told then still holds.
---@param value any
---@param path string
---@return true?
---@return tidegate.Fault[]? faults
function worker.adopt(value, path)
  local into = end_declaring(path)
  local baked = require("tidegate.pipeline.bake").pipeline(value, into)
  if not into:is_empty() then return nil, into:sorted() end
  pipeline = baked
  return true
end

-- The host has checked the parameters against the plan; what only Lua can check (patterns) is here.
local function check_params(given)
  for _, name in ipairs(plain.keys(pipeline.params)) do
    local param, _, err = pipeline.params[name], nil, nil
    if not param.secret then _, err = params.value(param, given[name], "parameter " .. name) end
    if err then return { code = "invalid", class = "permanent", message = err } end
  end
end

-- The last resort of a task that failed: its value becomes the task's.
local function perform(task, ctx, facts, phase)
  if phase == "fallback" then return task.fallback(ctx, ctx.error) end
  return task.kind.run(task, ctx, facts, phase)
end

---Runs an attempt, inside its coroutine. Its phase is that of the data: nil as a rule; of a map
---"over" gives { items =, keys = } and "item" runs one of them; "fallback" runs a last resort.
---
---Shape:  -> value, facts; value is JSON's null if the task gave nothing, never nil
---        -> nil, err, facts if it failed
---@param index integer of the task in the plan, from 0
---@param data table the context as the host gives it
---@return any value
---@return any facts_or_err
---@return table? facts
function worker.run(index, data)
  local task, phase = pipeline.tasks:at(index + 1), data.phase
  local ctx, facts = context.new(data, task, pipeline)
  local fault = check_params(ctx.params)
  if fault then return nil, fault, facts end
  local value, err = perform(task, ctx, facts, phase)
  if value == nil and err ~= nil then return nil, err, facts end
  if value == nil then value = native.null end
  return value, facts
end

---Computes the parameters that a new run gets from functions, and checks those it has.
---
---Shape:  { params = the values there are, run = { logical_date, interval }, now } -> the others
---Errors: raises { code = "invalid", message }
---@param input table
---@return table values
function worker.compute(input)
  return computed.values(pipeline.params, input.params, input.run)
end

-- A policy that fails its own tests does not come into force.
local function check_tests(baked, into)
  local report = into:reporter(nil, nil)
  for _, result in ipairs(baked.test()) do
    if not result.ok then
      report(("test %d%s expects %s and gets %s"):format(result.index,
        result.name and (" (" .. result.name .. ")") or "",
        json.encode(result.expected), json.encode(result.got)))
    end
  end
end

---Takes in what a policy's file returned, and runs its tests.
---@param value any
---@param path string
---@return table? description { doc, kind, input, tests }
---@return tidegate.Fault[]? faults
function worker.policy(value, path)
  local into = end_declaring(path)
  local baked, found = require("tidegate.policy").bake(value, path, into)
  if not baked then return nil, found end
  check_tests(baked, into)
  if not into:is_empty() then return nil, into:sorted() end
  policy = baked
  return { doc = baked.doc, kind = baked.kind, input = baked.input, tests = #baked.tests }
end

---Asks the policy.
---
---Errors: raises if the input is not of the policy's form, or the answer is none
---@param input table
---@return table output
function worker.decide(input)
  return policy.decide(input)
end

return worker
