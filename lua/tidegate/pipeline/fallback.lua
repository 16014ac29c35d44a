-- SPDX-License-Identifier: Apache-2.0
--- A task in the place of another: `fallback = "spare"` starts the task "spare" only if this one has
--- failed for good. What the spare gives is then what this one gave, and the run is not failed by it.
---
--- The spare can start whenever the failed task could: it waits for all that the other waits for,
--- beside its own `after`, and has its rule unless it has one itself.
local dag = require "tidegate.dag"
local suggest = require "tidegate.suggest"

local fallback = {}

-- Words of tasks that nothing can stand in for, and why.
local ALONE = {
  branch = "what a branch chooses, no other task can", gate = "a gate fails closed",
  map = "give it a function, which is called for each item",
  setup = "fallback = function(ctx, err) ... end",
  teardown = "fallback = function(ctx, err) ... end",
}

local function has(list, value)
  for _, item in ipairs(list) do
    if item == value then return true end
  end
  return false
end

-- What a task waits for, and what another does.
local function union(task, more)
  local after = table.move(task.after, 1, #task.after, 1, {})
  for _, upstream in ipairs(more) do
    if upstream ~= task.name and not has(after, upstream) then after[#after + 1] = upstream end
  end
  return after
end

---Lets each spare wait for what the task waits for that it stands in for.
---@param tasks tidegate.Tasks
function fallback.link(tasks)
  for _, task in tasks:each_odd() do
    local spare = type(task.fallback) == "string" and tasks:open(task.fallback)
    if spare and spare ~= task then
      spare.after = union(spare, task.after)
      spare.when = rawget(spare, "when") or task.when
    end
  end
end

local function what_is(task)
  return task.setup and "setup" or task.teardown and "teardown" or task.word
end

local function is_shared(task, spare, pipeline)
  for _, other in pipeline.tasks:each_odd() do
    if other ~= task and other.fallback == spare.name then return other.name end
  end
end

-- Says why a task cannot have another one as its fallback, or nil.
local function unfit(task, spare, pipeline)
  local what, spare_is = what_is(task), what_is(spare)
  if ALONE[what] then
    return ("a %s has no other task as its fallback"):format(what), ALONE[what]
  elseif ALONE[spare_is] then
    return ("its fallback %q is a %s, which stands in for nothing"):format(spare.name, spare_is)
  elseif type(spare.fallback) == "string" then
    return ("its fallback %q has a task as its fallback itself"):format(spare.name)
  elseif has(task.after, spare.name) or has(spare.after, task.name) then
    return ("it and its fallback %q cannot wait for each other"):format(spare.name)
  end
  local other = is_shared(task, spare, pipeline)
  if other then
    return ("its fallback %q is that of %q as well"):format(spare.name, other),
      "each task has a fallback of its own"
  end
end

-- A task and its fallback end together, so no way may lead from one of them to the other: as one
-- node they must not be in a circle. Gives what the circle is.
local function circle(pipeline)
  local owner_of, nodes, merged = {}, {}, {}
  for _, task in pipeline.tasks:each_odd() do
    if type(task.fallback) == "string" then owner_of[task.fallback] = task.name end
  end
  if not next(owner_of) then return nil end
  for _, task in pipeline.tasks:each() do
    local name = owner_of[task.name] or task.name
    local node = merged[name] or { name = name, after = {} }
    if not merged[name] then nodes[#nodes + 1], merged[name] = node, node end
    for _, upstream in ipairs(task.after) do
      upstream = owner_of[upstream] or upstream
      if not has(node.after, upstream) then node.after[#node.after + 1] = upstream end
    end
  end
  local graph, err = dag.new(nodes)
  return not graph and err or nil
end

---Checks the fallback of a task, if that is a task.
---@param task tidegate.BakedTask
---@param pipeline tidegate.Pipeline
---@param report tidegate.Report
function fallback.check(task, pipeline, report)
  if type(task.fallback) ~= "string" then return end
  local spare = pipeline.tasks:open(task.fallback)
  if task.fallback == task.name then
    report("it cannot be its own fallback")
  elseif not spare then
    report(("fallback names %q, which is not a task of this pipeline"):format(task.fallback),
      suggest.hint(task.fallback, pipeline.tasks:names()))
  else
    local message, hint = unfit(task, spare, pipeline)
    if message then report(message, hint) end
  end
end

---Checks that no task waits for itself by way of a fallback; to be done when all else is right.
---@param pipeline tidegate.Pipeline
---@return string? message
function fallback.circle(pipeline)
  local err = circle(pipeline)
  return err and ("a task and its fallback end together, and so there is a %s"):format(
    err.message:match("cycle: .*") or err.message) or nil
end

return fallback
