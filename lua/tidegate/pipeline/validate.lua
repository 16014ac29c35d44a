-- SPDX-License-Identifier: Apache-2.0
--- Validating: rules about a whole baked pipeline, each with a name. Rules about one field are types
--- (schema.lua).
local dag = require "tidegate.dag"
local faults = require "tidegate.faults"
local native = require "tidegate._native"
local plain = require "tidegate.plain"
local pool = require "tidegate.pipeline.pool"
local suggest = require "tidegate.suggest"

local validate = {}

-- Names that every SQL statement can use beside the run's parameters.
local RESERVED_PARAMS = { "run_id", "logical_date", "interval_start", "interval_end" }

local NONE = {}

---@class tidegate.Rule
---@field name string what holds of every valid pipeline
---@field check fun(pipeline: tidegate.Pipeline, faults: tidegate.Faults, names: table<string, tidegate.BakedTask>)

---@type tidegate.Rule[]
validate.rules = {}

local function rule(name, check)
  validate.rules[#validate.rules + 1] = { name = name, check = check }
end

local function add(into, task, message, hint)
  into:add(task.at, ("%s %q: %s"):format(task.word, task.name, message), hint)
end

local function map_names(pipeline)
  local names = {}
  for _, task in ipairs(pipeline.tasks) do
    if task.map then names[#names + 1] = task.name end
  end
  return names
end

rule("a pipeline has tasks", function(pipeline, into)
  if #pipeline.tasks == 0 and into:is_empty() then
    into:add(pipeline.at, ("pipeline %q has no tasks"):format(pipeline.name))
  end
end)

rule("a task's name is its own", function(pipeline, into, names)
  for _, task in ipairs(pipeline.tasks) do
    local first = names[task.name]
    if first ~= task then
      local file, line = faults.place(first.at, into.path)
      add(into, task, ("this name is taken by the task at %s:%d"):format(file, line))
    end
  end
end)

rule("what a task comes after is another task", function(pipeline, into, names)
  for _, task in ipairs(pipeline.tasks) do
    for _, upstream in ipairs(task.after) do
      if upstream == task.name then
        add(into, task, "it cannot come after itself")
      elseif not names[upstream] then
        add(into, task, ("after names %q, which is not a task of this pipeline"):format(upstream),
          suggest.hint(upstream, plain.keys(names)))
      end
    end
  end
end)

rule("what a branch leads to is another task", function(pipeline, into, names)
  for _, task in ipairs(pipeline.tasks) do
    for _, target in ipairs(task.to or NONE) do
      if target == task.name then
        add(into, task, "it cannot lead to itself")
      elseif not names[target] then
        add(into, task, ("to names %q, which is not a task of this pipeline"):format(target),
          suggest.hint(target, plain.keys(names)))
      end
    end
  end
end)

rule("what a map is over is a map", function(pipeline, into, names)
  local maps
  for _, task in ipairs(pipeline.tasks) do
    local source = task.over and names[task.over]
    if task.over and not (source and source.map) then
      maps = maps or map_names(pipeline)
      add(into, task, ("over names %q, which is no map of this pipeline"):format(task.over),
        suggest.hint(task.over, maps) or "over = function(ctx) return { ... } end")
    end
  end
end)

rule("a task fits into its pools", function(pipeline, into)
  for _, task in ipairs(pipeline.tasks) do
    if next(task.pool) then
      pool.check(task, pipeline.pools, function(message, hint) add(into, task, message, hint) end)
    end
  end
end)

rule("a pipeline does not start itself", function(pipeline, into)
  for _, task in ipairs(pipeline.tasks) do
    if task.pipeline == pipeline.name then
      add(into, task, ("it would start %q, the pipeline it is in, without end"):format(
        pipeline.name))
    end
  end
end)

rule("no task waits for itself in a circle", function(pipeline, into, names)
  if not into:is_empty() then return end
  local graph, err = dag.new(pipeline.tasks)
  pipeline.graph = graph
  if err then
    local first = names[err.message:match("cycle: ([%w_.]+)")] or pipeline.tasks[1]
    add(into, first, err.message)
  end
end)

rule("retries have room to grow", function(pipeline, into)
  for _, task in ipairs(pipeline.tasks) do
    local retry = task.retry
    if retry.cap and retry.base and retry.cap < retry.base then
      add(into, task, "retry.cap must not be shorter than retry.base")
    end
    if type(retry.factor) == "number" and not (retry.factor >= 1 and retry.factor <= 100) then
      add(into, task, ("retry.factor must be from 1 to 100, not %s"):format(retry.factor))
    end
  end
end)

rule("a parameter does not hide what statements are given", function(pipeline, into)
  for _, name in ipairs(RESERVED_PARAMS) do
    if pipeline.params[name] then
      into:add(pipeline.at, ("parameter %q: every statement is given another value of this name")
        :format(name))
    end
  end
end)

rule("a policy is in pipelines/policies", function(pipeline, into)
  for _, task in ipairs(pipeline.tasks) do
    if task.policy and not native.source("policy", task.policy) then
      add(into, task, ("there is no policy %q"):format(task.policy),
        ("it would be pipelines/policies/%s.lua"):format(task.policy))
    end
  end
end)

---Checks a pipeline against every rule.
---@param pipeline tidegate.Pipeline
---@param into tidegate.Faults
function validate.pipeline(pipeline, into)
  local names = {}
  for _, task in ipairs(pipeline.tasks) do names[task.name] = names[task.name] or task end
  for _, one in ipairs(validate.rules) do one.check(pipeline, into, names) end
end

return validate
