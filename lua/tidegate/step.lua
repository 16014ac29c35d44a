-- SPDX-License-Identifier: Apache-2.0
--- ctx:step and ctx:sleep: parts of a task that are done once, whatever becomes of the attempt. What
--- a step gave is recorded before the task goes on, and an attempt that comes by it again, after a
--- retry or a crash, is given that without running it. A sleep is a step that the host takes: while
--- it lasts, no worker is held.
---
--- Attempts come by the same steps in the same order; the host refuses one that does not.
local failure = require "tidegate.failure"
local json = require "tidegate.json"
local native = require "tidegate._native"
local plain = require "tidegate.plain"
local units = require "tidegate.units"
local words = require "tidegate.pipeline.words"

local step = {}

local NAME_BYTES_MAX = 128
local DURABLE_MS = 1000
local SLEEP, WAIT = "sleep:", "wait:" -- the first part of the names that the host's steps have

-- Where in the script the function stands that called a method; "" in a tail call, which leaves no
-- trace of it.
local function place(level)
  local at = native.where(level + 1)
  return (at:find("^%[") or at:find("^%?") or at:find("lua/tidegate/", 1, true)) and "" or at
end

local function raise(steps, err, at, method)
  if at == "" then at = steps.at end
  local message = type(err) == "table" and err.message or tostring(err)
  error(failure.new {
    code = type(err) == "table" and err.code or "script",
    class = type(err) == "table" and err.class or "transient",
    message = ("%s%s%s: %s"):format(at, at == "" and "" or ": ", method, message),
  }, 0)
end

---Raises what is wrong with a call, at the line of the script that made it, or that of its task where
---a tail call has left no trace. No other try would do better.
---@param steps tidegate.Steps
---@param fault string
function step.refuse(steps, fault)
  local at = place(2)
  if at == "" then at = steps.at end
  error(failure.new {
    code = "invalid", class = "permanent", message = at == "" and fault or at .. ": " .. fault,
  }, 0)
end

-- What a step gives now is what it gives in a later attempt: the value as JSON brings it back.
local function as_recorded(value, name)
  local copy = plain.copy(value, ("the result of step %q"):format(name))
  if type(copy) ~= "table" then return copy end
  local text, err = json.encode(copy)
  if not text then error(("the result of step %q: %s"):format(name, err.message), 0) end
  return json.decode(text)
end

local function present(value)
  if value == native.null then return nil end
  return value
end

---Says what is wrong with a step's name.
---@param name any
---@return string?
function step.name_fault(name)
  if type(name) ~= "string" or name == "" or #name > NAME_BYTES_MAX or name:find("%c") then
    return ("takes a name of 1 to %d bytes, not %s"):format(NAME_BYTES_MAX, words.describe(name))
  end
  if name:sub(1, #SLEEP) == SLEEP or name:sub(1, #WAIT) == WAIT then
    return ("%q is the name of a %s, a step cannot have it"):format(name, name:match("^%a+"))
  end
end

---@class tidegate.Steps what an attempt has done so far
---@field places? table<string, string> where the steps were called; nil where there are no steps
---@field sleeps integer how many there were
---@field waits integer how many without a name
---@field current? string the step that runs
---@field leaving table closed at the end of a step
---@field phase? string
---@field at string where the task is declared

---Starts an attempt's account of its steps. A list of items and a last resort are not replayed, and
---so have none.
---@param phase string?
---@param at string? where the task is declared
---@return tidegate.Steps
function step.new(phase, at)
  local steps = { sleeps = 0, waits = 0, phase = phase, at = at or "" }
  if phase ~= "over" and phase ~= "fallback" then steps.places = {} end
  steps.leaving = setmetatable({}, { __close = function() steps.current = nil end })
  return steps
end

local function nesting_fault(steps, method)
  return steps.current and ("%s: step %q is not done yet, and a step is one piece"):format(
    method, steps.current)
end

-- Why a step of a name cannot be begun.
local function place_fault(steps, method, name)
  if not steps.places then
    return ("%s: %s has no steps"):format(
      method, steps.phase == "over" and "`over` of a map" or "a fallback")
  end
  local first = steps.places[name]
  return first and ("%s: the name %q was used%s already; each step needs its own"):format(
    method, name, first == "" and "" or " at " .. first)
end

local function use_fault(steps, name, fn)
  local fault = step.name_fault(name)
  if fault then return "ctx:step " .. fault end
  if type(fn) ~= "function" then
    return ("ctx:step takes a name and a function, not %s"):format(words.describe(fn))
  end
  return place_fault(steps, "ctx:step", name)
end

local function take(steps, name, fn)
  local at, _ <close> = steps.places[name], steps.leaving
  steps.current = name
  local state, value = native.step(name)
  if state == nil then raise(steps, value, at, "ctx:step") end
  if state == "done" then return present(value) end
  local result, err = fn()
  if result == nil and err ~= nil then return nil, err end
  result = as_recorded(result, name)
  local is_recorded, fault = native.step_end(name, result)
  if not is_recorded then raise(steps, fault, at, "ctx:step") end
  return present(result)
end

---Does a step, or gives what it gave when it was done. A step that fails, by raising or with nil and
---an error, is not done.
---
---Errors: raises at the caller's line for a step that cannot be one; raises what the host refuses
---@param steps tidegate.Steps
---@param name string
---@param fn fun(): any, any
---@return any value
---@return any err
function step.run(steps, name, fn)
  local fault = use_fault(steps, name, fn) or nesting_fault(steps, "ctx:step")
  if fault then step.refuse(steps, fault) end
  steps.places[name] = place(1)
  return take(steps, name, fn)
end

---Sleeps. A sleep of a second or more is a step where there are steps: it holds no worker, outlives
---the host, and an attempt that comes by it again does not sleep twice. A shorter one just waits.
---@param steps tidegate.Steps
---@param duration string
function step.sleep(steps, duration)
  local ms = units.duration(duration)
  if not ms then
    step.refuse(steps, ("ctx:sleep takes %s, not %s"):format(units.duration_hint,
      words.describe(duration)))
  end
  local fault = nesting_fault(steps, "ctx:sleep")
  if fault then step.refuse(steps, fault) end
  if not steps.places or ms < DURABLE_MS then
    native.sleep(ms)
    return
  end
  steps.sleeps = steps.sleeps + 1
  local at = place(1)
  local _, err = native.sleep_until(SLEEP .. steps.sleeps, ms)
  if err ~= nil then raise(steps, err, at, "ctx:sleep") end
end

---Says why nothing can be waited for here.
---@param steps tidegate.Steps
---@param method string "ctx:approve"
---@param name string? of the step
---@return string?
function step.wait_fault(steps, method, name)
  return place_fault(steps, method, name) or nesting_fault(steps, method)
end

---Waits for what the host knows of. It is a step: the attempt may end here, and the next one, when
---the wait is over, is given what came.
---@param steps tidegate.Steps
---@param method string
---@param name string? of the step
---@param timeout_ms integer 0 for none
---@param what table host/engine/waits.c
---@return any value
---@return any err
function step.wait(steps, method, name, timeout_ms, what)
  local at = place(2)
  if not name then
    steps.waits = steps.waits + 1
    name = WAIT .. steps.waits
  end
  steps.places[name] = at
  local answer, err = native.wait(name, what, timeout_ms)
  if answer == nil then raise(steps, err, at, method) end
  if answer.error then return nil, failure.new(answer.error) end
  return answer.value
end

return step
