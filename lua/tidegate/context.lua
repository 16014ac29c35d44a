-- SPDX-License-Identifier: Apache-2.0
--- What a task's function is given: the facts of its attempt and the few things it can do.
--- A context cannot be changed, and nothing in it is shared with another attempt.
local failure = require "tidegate.failure"
local group = require "tidegate.pipeline.group"
local native = require "tidegate._native"
local plain = require "tidegate.plain"
local step = require "tidegate.step"
local suggest = require "tidegate.suggest"
local wait = require "tidegate.wait"

local context = {}

-- What a context holds of the attempt's data.
local FIELDS = {
  "run", "pipeline", "task", "attempt", "key", "params", "logical_date", "interval", "partition",
  "now", "deadline", "event", "output", "states",
}
local MAY_BE_NIL = {
  logical_date = true, interval = true, partition = true, deadline = true,
  event = true,
}

-- What it holds in one phase of a task only, and where that is.
local PHASE_FIELDS = {
  item = "in the `run` of a tg.map", index = "in the `run` of a tg.map", error = "in a fallback",
}

local LEVELS = { debug = true, info = true, warn = true, error = true }

local function present(value)
  if value == native.null then return nil end
  return value
end

-- Raises unless a task's output can be there when this task runs.
local function check_upstream(tasks, task, name)
  local position = tasks:find(name)
  if not position then
    local hint = suggest.hint(name, tasks:names())
    error(("ctx.output.%s: there is no such task%s"):format(name, hint and "; " .. hint or ""), 3)
  elseif not tasks:is_before(position, tasks:find(task.name)) then
    error(("ctx.output.%s: %q does not come before %q; add after = %q"):format(
      name, name, task.name, name), 3)
  end
end

local function ask_output(name)
  local value, err = native.output(name)
  if value == nil and err ~= nil then error(err, 0) end
  return { present(value) }
end

-- The outputs of the tasks before this one: those right before it came with the attempt unless they
-- are large; these, and those of others, are asked for once.
local function outputs(inline, large, pipeline, task)
  local known = {}
  for _, name in ipairs(task.after) do
    if not large[name] then known[name] = { present(inline[name]) } end
  end
  local function visible()
    local values = {}
    for name in pairs(large) do known[name] = known[name] or ask_output(name) end
    for name, slot in pairs(known) do values[name] = slot[1] end
    return values
  end
  return setmetatable({}, {
    __metatable = false,
    __index = function(_, name)
      name = group.meant(pipeline, task, name)
      if not known[name] then
        if not large[name] then check_upstream(pipeline.tasks, task, tostring(name)) end
        known[name] = ask_output(name)
      end
      return known[name][1]
    end,
    __newindex = function() error("ctx.output cannot be changed: return the task's result", 2) end,
    __pairs = function() return next, visible(), nil end,
  })
end

-- ctx:log("loaded %d rows", n), ctx:log("warn", "%d rows are late", n)
local function log(_, first, ...)
  local level, format, arguments = "info", first, table.pack(...)
  if LEVELS[first] and arguments.n > 0 then
    level, format = first, table.remove(arguments, 1)
    arguments.n = arguments.n - 1
  end
  local text = tostring(format)
  if arguments.n > 0 then
    local ok, result = pcall(string.format, text, table.unpack(arguments, 1, arguments.n))
    if not ok then error("ctx:log: " .. tostring(result), 2) end
    text = result
  end
  native.log(level, text)
end

local function progress(_, done, total)
  if type(done) ~= "number" or type(total) ~= "number" then
    error("ctx:progress takes two numbers: done, total", 2)
  end
  native.progress(done, total)
end

-- The key of what a context keeps for itself; scripts cannot come by it.
local OWN = {}

local function emit_asset(ctx, asset)
  if type(asset) ~= "table" or type(asset.name) ~= "string" or asset.name == "" then
    error('ctx:emit_asset takes a table with a name: { name = "silver_orders", rows = 12 }', 2)
  end
  local ok, copy = pcall(plain.copy, asset, "asset")
  if not ok then error("ctx:emit_asset: " .. copy, 2) end
  local facts = ctx[OWN].facts
  facts.assets = facts.assets or {}
  facts.assets[#facts.assets + 1] = copy
end

local function steps_of(ctx, method)
  local own = type(ctx) == "table" and ctx[OWN]
  if not own then error(("it is called with a colon: ctx:%s(...)"):format(method), 3) end
  own.steps = own.steps or step.new(own.phase, own.task.at)
  return own.steps
end

-- These are tail calls, so that their errors are told at the script's line.
local function run_step(ctx, name, fn) return step.run(steps_of(ctx, "step"), name, fn) end
local function sleep(ctx, duration) return step.sleep(steps_of(ctx, "sleep"), duration) end

local function wait_event(ctx, options) return wait.event(steps_of(ctx, "wait_event"), options) end
local function approve(ctx, options) return wait.approve(steps_of(ctx, "approve"), options) end

local METHODS = {
  log = log, progress = progress, emit_asset = emit_asset, step = run_step, sleep = sleep,
  wait_event = wait_event, approve = approve,
}

local function unknown(key)
  key = tostring(key)
  if PHASE_FIELDS[key] then error(("ctx.%s is there only %s"):format(key, PHASE_FIELDS[key]), 3) end
  local names = table.move(FIELDS, 1, #FIELDS, 1, {})
  for name in pairs(METHODS) do names[#names + 1] = name end
  local nearest = suggest.nearest(key, names)
  local hint = nearest and ("; did you mean %q?"):format(nearest) or ""
  error(("ctx has no %q%s"):format(key, hint), 3)
end

-- What a context has beside its attempt's data; outputs are made ready when they are looked at.
local MEMBERS = {
  __index = function(members, key)
    if key == "output" then
      local own = members[OWN]
      members.output = outputs(own.output, own.large, own.pipeline, own.task)
      return members.output
    end
    local method = METHODS[key]
    if method == nil and not MAY_BE_NIL[key] and not members[OWN].may_be_nil[key] then
      unknown(key)
    end
    return method
  end,
}

-- A secret came as the place where the host finds it; scripts get a handle that it fills in.
local function hide_secrets(given, pipeline)
  for name, param in pairs(pipeline.params) do
    if param.secret and given[name] ~= nil then given[name] = native.secret("param:" .. name) end
  end
  return given
end

-- What became of the tasks before this one, which in a group can be named as the script names them.
local function states_of(given, pipeline, task)
  if not task.scope then return given end
  return setmetatable(given, {
    __metatable = false,
    __index = function(_, name) return rawget(given, group.meant(pipeline, task, name)) end,
  })
end

local ITEM, NONE = { item = true }, {}

-- An item's place is counted from 1 here, as Lua does.
local function add_item(members, own)
  members.item, members.index = present(members.item), members.index + 1
  own.may_be_nil = ITEM
end

local function refuse_change()
  error("ctx cannot be changed: use a local variable", 2)
end

---Makes the context of an attempt; the data becomes a part of it.
---
---Shape:  the attempt's data, the baked task and its pipeline -> the context, and the facts that
---        the attempt collects: { assets =, chosen =, checks = }
---@param data table
---@param task tidegate.BakedTask
---@param pipeline tidegate.Pipeline
---@return tidegate.Context
---@return table facts
function context.new(data, task, pipeline)
  local facts, members = {}, data
  for name in pairs(MAY_BE_NIL) do members[name] = present(data[name]) end
  members.params = hide_secrets(data.params or {}, pipeline)
  members.states = states_of(data.states or {}, pipeline, task)
  local own = {
    output = data.output or {}, large = data.large or NONE, pipeline = pipeline, task = task,
    facts = facts, phase = data.phase, may_be_nil = NONE,
  }
  members[OWN], members.output, members.large, members.phase = own, nil, nil, nil
  if data.error then failure.new(data.error) end
  if data.index then add_item(members, own) end
  setmetatable(members, MEMBERS)
  local ctx = setmetatable({}, {
    __metatable = false, __index = members, __newindex = refuse_change,
  })
  return ctx, facts
end

return context
