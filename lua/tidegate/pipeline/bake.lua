-- SPDX-License-Identifier: Apache-2.0
--- Baking: what the words were given becomes plain data, checked field by field. Nothing of the
--- script's tables is kept, so a later change to them changes nothing here; only its functions are.
local fallback = require "tidegate.pipeline.fallback"
local group = require "tidegate.pipeline.group"
local kinds = require "tidegate.task.kinds"
local native = require "tidegate._native"
local params = require "tidegate.pipeline.params"
local plain = require "tidegate.plain"
local pool = require "tidegate.pipeline.pool"
local schema = require "tidegate.pipeline.schema"
local tasks = require "tidegate.pipeline.tasks"
local trigger_rules = require "tidegate.pipeline.trigger_rules"
local triggers = require "tidegate.pipeline.triggers"
local words = require "tidegate.pipeline.words"

local bake = {}

---@class tidegate.Pipeline
---@field name string
---@field at string
---@field doc string
---@field tags string[]
---@field limits { runs?: integer, overlap: string, timeout: integer, tasks: integer, retries: integer }
---@field pools table<string, integer>
---@field params table<string, tidegate.Param>
---@field on table[]
---@field tasks tidegate.Tasks in the order of the file
---@field known? table<string, tidegate.BakedTask|tidegate.Group> by full name, where there are groups

--- A field that a task was not given is its default, which many tasks share: never changed.
---@class tidegate.BakedTask
---@field name string with those of the groups it is in: "extract.files"
---@field scope tidegate.Group? the group it is in
---@field at string
---@field word string
---@field kind tidegate.Kind
---@field own table? the fields of its kind, baked; a plain kind's are the task's
---@field run function? of a plain kind
---@field after string[] the tasks it waits for, branches that lead to it included
---@field to string[]? of a branch
---@field targets table<string, string[]>? of a branch: the tasks that a name in `to` stands for
---@field over string? of a map: the map whose outputs are its items
---@field map table? of a map, for the host
---@field pipeline string? of a run: the child's name
---@field policy string? the policy that decides
---@field command table? of a command, for the host
---@field doc string
---@field tags string[]
---@field produces string[]
---@field reads string[]
---@field priority integer
---@field timeout integer ms, 0 for none
---@field when string
---@field retry table
---@field setup boolean
---@field teardown boolean
---@field pool table<string, integer> the slots it takes
---@field resource string "" for none
---@field is_spare? boolean in a group: it stands in for another task
---@field fallback? string|fun(ctx: tidegate.Context, err: tidegate.Error): any, any a task's name

local COUNT_MAX = 1000000

local LIMITS = {
  runs = { schema.integer(0, COUNT_MAX) }, -- TG_PIPELINE_RUNS_MAX without it
  overlap = {
    schema.enum { "queue", "skip", "cancel_running", "allow" },
    default = "queue",
  },
  timeout = { schema.duration, default = 0 },
  tasks = { schema.integer(0, COUNT_MAX), default = 0 },
  retries = { schema.integer(0, COUNT_MAX), default = 0 },
}

local function any(value) return value end

local PARTITIONS_MAX = 10000 -- as TG_PARTITIONS_MAX in host/base/limits.h

-- The parts that each occurrence of a pipeline is run for: { "EU", "US" }. Commands list them with
-- commas between them.
local function partition_names(value, report, name)
  local list = schema.strings(value, report, name)
  local seen = {}
  for _, partition in ipairs(type(list) == "table" and list or {}) do
    if type(partition) ~= "string" or not partition:find("^[^%c,]+$") or #partition > 128 then
      report(("%s: %s is no name of a partition"):format(name, words.describe(partition)),
        "1 to 128 bytes without commas")
    elseif seen[partition] then
      report(("%s: %q stands there twice"):format(name, partition))
    end
    seen[partition] = true
  end
  if type(list) == "table" and #list > PARTITIONS_MAX then
    report(("%s are at most %d"):format(name, PARTITIONS_MAX))
  end
  return list
end

local PIPELINE = {
  doc = { schema.string, default = "" },
  tags = { schema.strings, default = {} },
  on = { any, default = {} },
  params = { any, default = {} },
  limits = { schema.record(LIMITS), default = schema.check({}, LIMITS, error) },
  pools = { pool.all, default = {} },
  partitions = { partition_names, default = {} },
  tasks = { any, required = true },
}

-- What may decide on retries: tg.policy "name".
local function policy_name(value, report, name)
  local record = words.record(value)
  if record and record.word == "policy" then
    return schema.name(record.name, report, "the policy's name")
  end
  report(("%s must be a policy, not %s"):format(name, words.describe(value)), 'tg.policy "name"')
end

local RETRY = {
  attempts = { schema.integer(1, 1000) },
  decide = { policy_name },
  backoff = {
    schema.enum { "constant", "linear", "exponential", "decorrelated" },
    default = "exponential",
  },
  base = { schema.duration, default = 1000 },
  cap = { schema.duration },
  factor = { schema.number, default = 2 },
  jitter = { schema.enum { "none", "full", "equal" }, default = "full" },
  on = {
    schema.list(schema.enum { "transient", "throttled", "permanent", "contract", "bug" }),
  },
  total = { schema.duration, default = 0 },
}

local CAP_MS = 300000

-- How often a policy is asked at most, and about which classes, if nothing else is said.
local POLICY_ATTEMPTS = 100
local POLICY_CLASSES = { "transient", "throttled", "permanent", "contract", "bug" }
local CLASSES = { "transient", "throttled" }

local function retry_policy(value, report, name)
  local record = words.record(value)
  if record and record.word == "policy" then value = { decide = value } end
  local retry = schema.record(RETRY)(value, report, name)
  local is_given = type(value) == "table" and not words.record(value)
  if is_given and not retry.attempts and not retry.decide then
    report(name .. ".attempts is missing")
  end
  retry.attempts = retry.attempts or POLICY_ATTEMPTS
  retry.on = retry.on or retry.decide and POLICY_CLASSES or CLASSES
  retry.cap = retry.cap or math.max(CAP_MS, retry.base or 0)
  return retry
end

local NO_RETRY = retry_policy({ attempts = 1 }, error, "retry")

-- What takes part in one breaker and one budget: "api.example.com".
local resource = schema.type("the name of a resource", function(value)
  return type(value) == "string" and #value > 0 and #value <= 128 and not value:find("[%c%s]")
end, "1 to 128 bytes without spaces")

local fallback_type = schema.type("a function or the name of a task", function(value)
  return type(value) == "function" or type(value) == "string"
end, 'fallback = function(ctx, err) ... end, or "spare_task"')

-- The fields of every task, whatever its word.
local TASK = {
  after = { schema.strings, default = {} },
  when = { schema.enum(trigger_rules), default = "all_success" },
  retry = { retry_policy, default = NO_RETRY },
  timeout = { schema.duration, default = 0 },
  tags = { schema.strings, default = {} },
  doc = { schema.string, default = "" },
  produces = { schema.strings, default = {} },
  reads = { schema.strings, default = {} },
  priority = { schema.integer(-1000, 1000), default = 0 },
  setup = { schema.boolean, default = false },
  teardown = { schema.boolean, default = false },
  pool = { pool.taken, default = {} },
  resource = { resource, default = "" },
  fallback = { fallback_type },
}

---What a task has in the fields that it was not given.
bake.usual = schema.defaults(TASK)

-- What tasks of a kind have: all their fields, the names of those that only this kind has, the
-- defaults of the others, which tasks share, and the metatable of what is the same in all of them.
local function task_schema(word, kind)
  local fields, shared = {}, {}
  for name, field in pairs(TASK) do fields[name] = field end
  for name, field in pairs(kind.schema) do fields[name] = field end
  for name, value in pairs(bake.usual) do shared[name] = value end
  shared.word, shared.kind = word, kind
  return {
    fields = fields, own = plain.keys(kind.schema), own_defaults = schema.defaults(kind.schema),
    metatable = { __index = shared },
  }
end

local task_schemas = {}
for word, kind in pairs(kinds) do task_schemas[word] = task_schema(word, kind) end

-- Moves the fields of a kind to a table of their own.
local function take(task, known)
  local own = {}
  for _, name in ipairs(known.own) do
    local value = task[name]
    if value == nil then value = known.own_defaults[name] end
    own[name], task[name] = value, nil
  end
  return own
end

-- A teardown runs whatever became of the others, unless it says otherwise.
local function bake_teardown(task, report)
  if task.setup then report("it cannot be setup and teardown at once") end
  task.when = rawget(task, "when") or "all_done"
end

-- One function for all tasks: what it reports is about the one that is baked now.
local now = {} ---@type { record: tidegate.Record, into: tidegate.Faults }

local function report_now(message, hint)
  local record = now.record
  local what = ("%s %s: "):format(record.word, words.describe(record.name))
  now.into:add(record.at, what .. message, hint)
end

---Bakes one task.
---@param record tidegate.Record
---@param body any
---@param into tidegate.Faults
---@return tidegate.BakedTask? task nil if there is too little of it to go on with
function bake.task(record, body, into)
  if type(record.name) ~= "string" then
    local form = ('tg.%s "name" { ... }'):format(record.word)
    into:add(record.at, ("tg.%s needs a name first"):format(record.word), form)
    return nil
  end
  now.record, now.into = record, into
  schema.name(record.name, report_now, "its name")
  if type(body) ~= "table" or words.record(body) then
    report_now("has no body", ('tg.%s %q { ... }'):format(record.word, record.name))
    return nil
  end
  local kind, known = kinds[record.word], task_schemas[record.word]
  local task = schema.check_given(body, known.fields, report_now)
  if not kind.is_plain then task.own = take(task, known) end
  task.name, task.at = record.name, record.at
  task.after = task.after or {} -- not the default that others share, for branches add to it
  setmetatable(task, known.metatable)
  if task.teardown then bake_teardown(task, report_now) end
  kind.bake(task, report_now, into)
  return task
end

-- Says what stands in a list of tasks and is none; a word that is not known was told already.
local function not_a_task(record, value, key, at, into)
  if record and record.word == "unknown" then return end
  into:add(record and record.at or at,
    ("tasks[%d] must be a task, not %s"):format(key, words.describe(value)),
    'tg.task "name" { ... }')
end

-- Puts a task where it stands: in a group it has the group's name, too. A declaration may stand in
-- two groups, and is a task in each.
local function place_task(task, scope, into)
  if not scope.path then return task end
  local report = into:reporter(task.at, ("%s %q"):format(task.word, task.name))
  local placed = setmetatable({}, getmetatable(task))
  for field, value in pairs(task) do placed[field] = value end
  placed.after = table.move(task.after, 1, #task.after, 1, {})
  placed.name, placed.scope = group.full_name(scope, task.name, report), scope
  return placed
end

local bake_tasks

-- Bakes what stands at a place of a list of tasks.
local function bake_entry(value, key, at, into, scope, list)
  if tasks.is_task(value) then
    local task = list:bake(value, into)
    if task then list:add(place_task(task, scope, into)) end
    return
  end
  local record = words.record(value)
  if record and record.word == "group" then
    local inner = group.bake(record, scope, into)
    if inner and inner.tasks ~= nil then bake_tasks(inner.tasks, inner.at, into, inner, list) end
  else
    not_a_task(record, value, key, at, into)
  end
end

-- Bakes what stands from a place of a list on.
local function bake_list(given, at, into, scope, list)
  local key, count = 1, #given
  while key <= count do
    if not scope.path then key = list:take_usual(given, key) end
    if key <= count then bake_entry(given[key], key, at, into, scope, list) end
    key = key + 1
  end
end

-- Bakes what a script gave as its tasks, those of its groups behind one another.
function bake_tasks(given, at, into, scope, list)
  if type(given) ~= "table" or words.record(given) then
    into:add(at, "tasks must be a list of tasks, not " .. words.describe(given))
  elseif native.size(given) == #given then
    bake_list(given, at, into, scope, list)
  else
    for _, key in ipairs(plain.keys(given)) do
      if math.type(key) == "integer" then
        bake_entry(given[key], key, at, into, scope, list)
      else
        into:add(at, ("tasks is a list: %q stands where only tasks can"):format(tostring(key)),
          'a task has its name behind its word: tg.task "name" { ... }')
      end
    end
  end
end

local function bake_params(given, at, faults)
  local baked = {}
  if type(given) ~= "table" or words.record(given) then
    faults:add(at, "params must be a table, not " .. words.describe(given))
    return baked
  end
  for _, name in ipairs(plain.keys(given)) do
    local value = given[name]
    local what = ("parameter %s"):format(words.describe(name))
    local report = faults:reporter((words.record(value) or {}).at or at, what)
    schema.name(name, report, "its name")
    if params.is_type(value) then
      baked[name] = params.bake(value, report)
      if baked[name] and baked[name].optional then
        report("a parameter that need not be given needs a default")
      end
    elseif not words.is_unknown(value) then
      report("must be a type, not " .. words.describe(value), "tg.string { default = \"...\" }")
    end
  end
  return baked
end

local function bake_triggers(given, at, faults)
  local baked = {}
  if words.record(given) or type(given) ~= "table" then given = { given } end
  for _, key in ipairs(plain.keys(given)) do
    local name = ("on[%s]"):format(key)
    baked[#baked + 1] = triggers.bake(given[key], faults, at, name)
  end
  return baked
end

-- What a branch leads to waits for the branch, whether it says so or not.
local function link_branches(list)
  for _, branch in list:each_odd() do
    for _, name in ipairs(branch.to or {}) do
      local target = list:open(name)
      local after, is_linked = target and target.after or {}, false
      for _, upstream in ipairs(after) do is_linked = is_linked or upstream == branch.name end
      if not is_linked then after[#after + 1] = branch.name end
    end
  end
end

---Bakes what a pipeline's file returned.
---
---Shape:  the value, a collector of faults -> the pipeline; nil if the value is no pipeline at all
---@param value any
---@param faults tidegate.Faults
---@return tidegate.Pipeline?
function bake.pipeline(value, faults)
  local record = words.record(value)
  if record and record.word == "unknown" then return nil end
  if not record or record.word ~= "pipeline" then
    faults:add(nil, "the file must return a pipeline, it returned " .. words.describe(value),
      'return tg.pipeline "name" { tasks = { ... } }')
    return nil
  end
  local report = faults:reporter(record.at, "pipeline " .. words.describe(record.name))
  schema.name(record.name, report, "its name")
  if type(record.body) ~= "table" then
    report("has no body", 'return tg.pipeline "name" { tasks = { ... } }')
    return nil
  end
  local pipeline = schema.check(record.body, PIPELINE, report)
  pipeline.name, pipeline.at = record.name, record.at
  pipeline.params = bake_params(pipeline.params, record.at, faults)
  pipeline.on = bake_triggers(pipeline.on, record.at, faults)
  local top, given = group.top(), pipeline.tasks or {}
  pipeline.tasks = tasks.list(task_schemas.task.metatable)
  bake_tasks(given, record.at, faults, top, pipeline.tasks)
  group.resolve(pipeline, top, faults)
  link_branches(pipeline.tasks)
  fallback.link(pipeline.tasks)
  return pipeline
end

return bake
