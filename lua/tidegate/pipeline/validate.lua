-- SPDX-License-Identifier: Apache-2.0
--- Validating: rules about a whole baked pipeline, each with a name. Rules about one field are types
--- (schema.lua).
local bake = require "tidegate.pipeline.bake"
local fallback = require "tidegate.pipeline.fallback"
local faults = require "tidegate.faults"
local native = require "tidegate._native"
local plain = require "tidegate.plain"
local pool = require "tidegate.pipeline.pool"
local suggest = require "tidegate.suggest"

local validate = {}

-- Names that every SQL statement can use beside the run's parameters.
local RESERVED_PARAMS = { "run_id", "logical_date", "interval_start", "interval_end" }

---@class tidegate.Rule
---@field name string what holds of every valid pipeline
---@field check fun(pipeline: tidegate.Pipeline, faults: tidegate.Faults)

--- A rule about the tasks that have something else than the usual in a field.
---@class tidegate.TaskRule
---@field name string
---@field field string
---@field check fun(task: tidegate.BakedTask, of: tidegate.Pipeline, into: tidegate.Faults)

---@type tidegate.Rule[]
validate.rules = {}
---@type tidegate.TaskRule[]
validate.task_rules = {}
--- The rules that hold wherever a graph could be made: broken ones are looked for where it could not.
---@type tidegate.Rule[]
validate.graph_rules = {}

local function rule(name, check)
  validate.rules[#validate.rules + 1] = { name = name, check = check }
end

local function task_rule(name, field, check)
  validate.task_rules[#validate.task_rules + 1] = { name = name, field = field, check = check }
end

local function graph_rule(name, check)
  validate.graph_rules[#validate.graph_rules + 1] = { name = name, check = check }
end

local function add(into, task, message, hint)
  into:add(task.at, ("%s %q: %s"):format(task.word, task.name, message), hint)
end

local function map_names(pipeline)
  local names = {}
  for _, task in pipeline.tasks:each_odd() do
    if task.map then names[#names + 1] = task.name end
  end
  return names
end

rule("a pipeline has tasks", function(pipeline, into)
  if pipeline.tasks:count() == 0 and into:is_empty() then
    into:add(pipeline.at, ("pipeline %q has no tasks"):format(pipeline.name))
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

rule("what a schedule starts needs nothing that only somebody can give", function(pipeline, into)
  for _, trigger in ipairs(pipeline.on) do
    for _, name in ipairs(trigger.kind == "cron" and plain.keys(pipeline.params) or {}) do
      if pipeline.params[name].required then
        into:add(trigger.at, ("tg.cron starts runs that nobody gives %q to"):format(name),
          ("give the parameter %s a default"):format(name))
      end
    end
  end
end)

graph_rule("a task's name is its own", function(pipeline, into)
  for position, task in pipeline.tasks:each() do
    local first = pipeline.tasks:find(task.name)
    if first ~= position then
      local file, line = faults.place(pipeline.tasks:at(first).at, into.path)
      add(into, task, ("this name is taken by the task at %s:%d"):format(file, line))
    end
  end
end)

graph_rule("what a task comes after is another task", function(pipeline, into)
  for _, task in pipeline.tasks:each() do
    for _, upstream in ipairs(task.after) do
      if upstream == task.name then
        add(into, task, "it cannot come after itself")
      elseif type(upstream) == "string" and not pipeline.tasks:find(upstream) then
        add(into, task, ("after names %q, which is not a task of this pipeline"):format(upstream),
          suggest.hint(upstream, pipeline.tasks:names()))
      end
    end
  end
end)

task_rule("what a branch leads to is another task", "to", function(task, pipeline, into)
  for _, target in ipairs(task.to) do
    if target == task.name then
      add(into, task, "it cannot lead to itself")
    elseif not pipeline.tasks:find(target) then
      add(into, task, ("to names %q, which is not a task of this pipeline"):format(target),
        suggest.hint(target, pipeline.tasks:names()))
    end
  end
end)

task_rule("what a map is over is a map", "over", function(task, pipeline, into)
  local source = pipeline.tasks:open(task.over)
  if not (source and source.map) then
    add(into, task, ("over names %q, which is no map of this pipeline"):format(task.over),
      suggest.hint(task.over, map_names(pipeline)) or "over = function(ctx) return { ... } end")
  end
end)

task_rule("a task fits into its pools", "pool", function(task, pipeline, into)
  pool.check(task, pipeline.pools, function(message, hint) add(into, task, message, hint) end)
end)

task_rule("what stands in for a task can", "fallback", function(task, pipeline, into)
  fallback.check(task, pipeline, function(message, hint) add(into, task, message, hint) end)
end)

task_rule("a pipeline does not start itself", "pipeline", function(task, pipeline, into)
  if task.pipeline == pipeline.name then
    add(into, task, ("it would start %q, the pipeline it is in, without end"):format(
      pipeline.name))
  end
end)

task_rule("retries have room to grow", "retry", function(task, _, into)
  local retry = task.retry
  if retry.cap and retry.base and retry.cap < retry.base then
    add(into, task, "retry.cap must not be shorter than retry.base")
  end
  if type(retry.factor) == "number" and not (retry.factor >= 1 and retry.factor <= 100) then
    add(into, task, ("retry.factor must be from 1 to 100, not %s"):format(retry.factor))
  end
end)

local function check_policy(task, policy, into)
  if not native.source("policy", policy) then
    add(into, task, ("there is no policy %q"):format(policy),
      ("it would be pipelines/policies/%s.lua"):format(policy))
  end
end

task_rule("a policy is in pipelines/policies", "policy", function(task, _, into)
  check_policy(task, task.policy, into)
end)

task_rule("a policy for retries is there, too", "retry", function(task, _, into)
  if task.retry.decide then check_policy(task, task.retry.decide, into) end
end)

local function check_task(task, pipeline, into)
  local rules = validate.task_rules
  for i = 1, #rules do
    local field = rules[i].field
    local value = task[field]
    if value ~= nil and value ~= bake.usual[field] then rules[i].check(task, pipeline, into) end
  end
end

-- Hands each task to the rules about what it says. Of those that say the same, one is looked at
-- first: if that is right, they all are.
local function check_tasks(pipeline, into)
  local found = faults.new(into.path)
  for _, task in pipeline.tasks:each_different() do check_task(task, pipeline, found) end
  if found:is_empty() then return end
  for _, task in pipeline.tasks:each() do check_task(task, pipeline, into) end
end

-- A graph is only made of what has no faults so far. Says where the circle is if that is why there
-- is none.
local function check_graph(pipeline, into)
  local tasks, is_graph, err = pipeline.tasks, false, nil
  if into:is_empty() then is_graph, err = tasks:check_graph() end
  if is_graph then return end
  for _, one in ipairs(validate.graph_rules) do one.check(pipeline, into) end
  if err and into:is_empty() then
    local first = tasks:find(err:match("cycle: ([%w_.]+)") or "") or 1
    add(into, tasks:at(first), err)
  end
end

---Checks a pipeline against every rule.
---@param pipeline tidegate.Pipeline
---@param into tidegate.Faults
function validate.pipeline(pipeline, into)
  for _, one in ipairs(validate.rules) do one.check(pipeline, into) end
  check_tasks(pipeline, into)
  check_graph(pipeline, into)
  local circle = into:is_empty() and fallback.circle(pipeline)
  if circle then into:add(pipeline.at, ("pipeline %q: %s"):format(pipeline.name, circle)) end
end

return validate
