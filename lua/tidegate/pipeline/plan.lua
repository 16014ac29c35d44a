-- SPDX-License-Identifier: Apache-2.0
--- The plan: all that the host knows of a pipeline, as plain data that becomes JSON. Names of tasks
--- are indexes in it, from 0, and every duration ends in _ms. A task tells only what is not usual:
--- without word it is a tg.task, without runner a script, without when its rule is all_success,
--- without retry it is tried once, and what else is missing is empty or 0.
local faults = require "tidegate.faults"
local json = require "tidegate.json"
local plain = require "tidegate.plain"

local plan = {}

local function list(items)
  return json.array(table.move(items, 1, #items, 1, {}))
end

-- Indexes of tasks count from 0.
local function index_of(tasks, name)
  local position = tasks:find(name)
  return position and position - 1
end

local function indexes(names, tasks)
  local result = {}
  for i, name in ipairs(names) do result[i] = index_of(tasks, name) end
  return json.array(result)
end

-- A list's plan tells of its items what the host can check: their type and their bounds.
local function compile_param(name, param)
  local checked = param.of or param
  local default = param.default
  if param.of and default then default = list(default) end
  return {
    name = name, type = param.type, doc = param.doc, required = param.required,
    secret = param.secret,
    default = default, default_is = param.default_is, items = param.of and param.of.type,
    values = checked.values and list(checked.values), min = checked.min, max = checked.max,
    pattern = checked.pattern, min_length = param.min_length, max_length = param.max_length,
  }
end

local function compile_params(params)
  local result = {}
  for _, name in ipairs(plain.keys(params)) do
    result[#result + 1] = compile_param(name, params[name])
  end
  return json.array(result)
end

local function compile_retry(retry)
  return {
    attempts = retry.attempts, backoff = retry.backoff, base_ms = retry.base, cap_ms = retry.cap,
    factor = retry.factor, jitter = retry.jitter, on = list(retry.on), total_ms = retry.total,
    decide = retry.decide,
  }
end

local function compile_command(command)
  return {
    argv = list(command.argv), shell = command.shell, cwd = command.cwd, stdin = command.stdin,
    env = { pass = list(command.env.pass), set = plain.copy(command.env.set, "env") },
    grace_ms = command.grace_ms, ok_codes = list(command.ok_codes), output = command.output,
  }
end

local function compile_map(task, tasks)
  local map = plain.copy(task.map, "map")
  if task.over then map.over = index_of(tasks, task.over) end
  return map
end

-- What few tasks have.
local function compile_rarities(task, one, tasks)
  if task.scope then one.group = task.scope.path end
  if task.setup then one.setup = true end
  if task.teardown then one.teardown = true end
  if next(task.pool) then one.pool = plain.copy(task.pool, "pool") end
  if task.resource ~= "" then one.resource = task.resource end
  if type(task.fallback) == "string" then
    one.fallback = index_of(tasks, task.fallback)
  elseif task.fallback then
    one.fallback = true
  end
  if task.map then one.map = compile_map(task, tasks) end
  one.pipeline = task.pipeline
  if one.pipeline and type(task.own.params) == "table" then
    one.params = plain.copy(task.own.params, "params")
  end
end

-- Tells what is not as the host takes it to be where a plan says nothing.
local function compile_task(task, tasks)
  local _, line = faults.place(task.at, "")
  local one = { name = task.name, line = line }
  if task.word ~= "task" then one.word = task.word end
  if #task.after > 0 then one.after = indexes(task.after, tasks) end
  if task.to then one.to = indexes(task.to, tasks) end
  if task.when ~= "all_success" then one.when = task.when end
  if task.doc ~= "" then one.doc = task.doc end
  if #task.tags > 0 then one.tags = list(task.tags) end
  if #task.reads > 0 then one.reads = list(task.reads) end
  if #task.produces > 0 then one.produces = list(task.produces) end
  if task.timeout > 0 then one.timeout_ms = task.timeout end
  if task.priority ~= 0 then one.priority = task.priority end
  if task.retry.attempts > 1 then one.retry = compile_retry(task.retry) end
  if not task.kind.run then one.runner = "command" end
  if task.command then one.command = compile_command(task.command) end
  compile_rarities(task, one, tasks)
  return one
end

local function policy_names(tasks)
  local names = {}
  for _, task in tasks:each_odd() do
    if task.policy then names[task.policy] = true end
    if task.retry.decide then names[task.retry.decide] = true end
  end
  return json.array(plain.keys(names))
end

---Makes the plan of a pipeline that was validated.
---@param pipeline tidegate.Pipeline
---@param path string
---@return table plan without its tasks
---@return userdata tasks as JSON
function plan.compile(pipeline, path)
  local file, line = faults.place(pipeline.at, path)
  local limits = pipeline.limits
  return {
    name = pipeline.name, doc = pipeline.doc, tags = list(pipeline.tags), file = file, line = line,
    limits = {
      runs = limits.runs, overlap = limits.overlap, timeout_ms = limits.timeout,
      tasks = limits.tasks, retries = limits.retries,
    },
    pools = plain.copy(pipeline.pools, "pools"), partitions = list(pipeline.partitions),
    params = compile_params(pipeline.params), on = list(pipeline.on),
    policies = policy_names(pipeline.tasks),
  }, pipeline.tasks:plan(function(task) return compile_task(task, pipeline.tasks) end)
end

return plan
