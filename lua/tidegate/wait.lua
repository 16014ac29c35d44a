-- SPDX-License-Identifier: Apache-2.0
--- ctx:wait_event and ctx:approve: a task waits for something to happen, or for a person. Both are
--- steps: what came is recorded before the task goes on, later attempts are given the same, and while
--- the wait lasts no worker and no slot is held.
local plain = require "tidegate.plain"
local step = require "tidegate.step"
local suggest = require "tidegate.suggest"
local units = require "tidegate.units"
local words = require "tidegate.pipeline.words"

local wait = {}

local function is_text(value) return type(value) == "string" and value ~= "" end

local function text_fault(value)
  if not is_text(value) then return "must be a text" end
end

local function since_fault(value)
  if value ~= "run" and value ~= "step" then return 'must be "step" (from now on) or "run"' end
end

local function timeout_fault(value)
  local ms = units.duration(value)
  if not ms or ms == 0 then return "must be " .. units.duration_hint end
end

local function match_fault(value)
  if type(value) ~= "table" then return 'must be a table: { ["order.id"] = 7 }' end
  for path, wanted in pairs(value) do
    local kind = type(wanted)
    if not is_text(path) then return 'must be a table: { ["order.id"] = 7 }' end
    if kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
      return ("compares %q with %s; it can be compared with a text, a number or a boolean"):format(
        path, words.describe(wanted))
    end
  end
end

local function by_fault(value)
  local list = is_text(value) and { value } or value
  if type(list) ~= "table" or #list == 0 then return 'must be a list of names: { "ada" }' end
  for _, name in ipairs(list) do
    if not is_text(name) then return 'must be a list of names: { "ada" }' end
  end
end

local EVENT = {
  type = text_fault, source = text_fault, subject = text_fault, match = match_fault,
  since = since_fault, timeout = timeout_fault, name = step.name_fault,
}
local APPROVAL = {
  message = text_fault, by = by_fault, timeout = timeout_fault, name = step.name_fault,
}

local function fields_fault(options, known)
  if type(options) ~= "table" then return "takes a table, not " .. words.describe(options) end
  for key, value in pairs(options) do
    local check = known[key]
    if not check then
      local hint = suggest.hint(key, plain.keys(known))
      return ("has no field %q%s"):format(tostring(key), hint and "; " .. hint or "")
    end
    local fault = check(value)
    if fault then return ("%s %s"):format(key, fault) end
  end
end

local function options_fault(method, options, known, required, example)
  local fault = fields_fault(options, known)
  if not fault and options[required] == nil then
    fault = ("needs %s: %s"):format(required, example)
  end
  return fault and method .. ": " .. fault
end

local function ms_of(options)
  return options.timeout and units.duration(options.timeout) or 0
end

-- What the host says of a wait that was too long does not tell what was waited for.
local function late(err, format, what, options)
  if err and err.code == "timeout" then err.message = format:format(what, options.timeout) end
  return err
end

---@class tidegate.EventWait
---@field type string the event's type
---@field source? string its source
---@field subject? string a pattern of its subject: `*` stands for any text, `?` for one character
---@field match? table<string, string|number|boolean> what fields of its data are, by path
---@field since? "step"|"run" events from now on (the default), or from the run's beginning on
---@field timeout? string
---@field name? string of the step

---Waits for an event.
---
---Errors: raises at the caller's line for a wait that cannot be one; code `timeout` when nothing
---        came, of class permanent, because every later attempt is told the same
---@param steps tidegate.Steps
---@param options tidegate.EventWait
---@return table? event its attributes, and `data`
---@return any err
function wait.event(steps, options)
  local fault = options_fault("ctx:wait_event", options, EVENT, "type",
      '{ type = "com.example.order.placed" }')
    or step.wait_fault(steps, "ctx:wait_event", options.name)
  if fault then step.refuse(steps, fault) end
  local came, err = step.wait(steps, "ctx:wait_event", options.name, ms_of(options), {
    kind = "event", type = options.type, source = options.source, subject = options.subject,
    match = options.match and next(options.match) and options.match or nil, since = options.since,
  })
  return came, late(err, "ctx:wait_event: no event %q came within %s", options.type, options)
end

---@class tidegate.ApprovalWait
---@field message string what is to be approved
---@field by? string|string[] who may: names of users or of their groups; anybody without it
---@field timeout? string
---@field name? string of the step

---Waits until a person approves, by `tidegate approve`.
---
---Errors: as wait.event; code `rejected` of class permanent, with `by`, `comment` and `at`, when the
---        person said no
---@param steps tidegate.Steps
---@param options tidegate.ApprovalWait
---@return { approved: true, by: string, comment?: string, at: string }?
---@return any err
function wait.approve(steps, options)
  local fault = options_fault("ctx:approve", options, APPROVAL, "message",
    '{ message = "Publish?" }') or step.wait_fault(steps, "ctx:approve", options.name)
  if fault then step.refuse(steps, fault) end
  local answer, err = step.wait(steps, "ctx:approve", options.name, ms_of(options), {
    kind = "approval", message = options.message,
    by = is_text(options.by) and { options.by } or options.by,
  })
  return answer, late(err, "ctx:approve: nobody answered %q within %s", options.message, options)
end

return wait
