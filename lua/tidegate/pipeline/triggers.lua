-- SPDX-License-Identifier: Apache-2.0
--- What starts a run by itself: tg.cron and tg.event.
local schema = require "tidegate.pipeline.schema"
local words = require "tidegate.pipeline.words"

local triggers = {}

local MONTHS = {
  "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
}
local DAYS = { "sun", "mon", "tue", "wed", "thu", "fri", "sat" }

-- The fields of a cron expression, as in crontab(5).
local CRON_FIELDS = {
  { name = "minute", min = 0, max = 59, names = {} },
  { name = "hour", min = 0, max = 23, names = {} },
  { name = "day of the month", min = 1, max = 31, names = {} },
  { name = "month", min = 1, max = 12, names = MONTHS },
  { name = "day of the week", min = 0, max = 7, names = DAYS },
}

local function cron_number(field, text)
  for i, name in ipairs(field.names) do
    if text:lower() == name then return field.min + i - 1 end
  end
  local number = text:find("^%d+$") and math.tointeger(tonumber(text))
  return number and number >= field.min and number <= field.max and number or nil
end

-- One item of a field's list: "*", "5", "1-5", each perhaps with a step, "*/15".
local function is_cron_item(field, text)
  local base, step = text:match("^([^/]+)/(%d+)$")
  if base and tonumber(step) == 0 then return false end
  base = base or text
  if base == "*" then return true end
  local first, last = base:match("^(%w+)%-(%w+)$")
  if not first then return cron_number(field, base) ~= nil end
  first, last = cron_number(field, first), cron_number(field, last)
  return first ~= nil and last ~= nil and first <= last
end

---Says what is wrong with a cron expression, or nil.
---@param text string
---@return string?
function triggers.cron_fault(text)
  local parts = {}
  for part in text:gmatch("%S+") do parts[#parts + 1] = part end
  if #parts ~= #CRON_FIELDS then
    return ("%q has %d fields, a cron expression has 5"):format(text, #parts)
  end
  for i, field in ipairs(CRON_FIELDS) do
    for item in (parts[i] .. ","):gmatch("([^,]*),") do
      if not is_cron_item(field, item) then
        return ("%q does not fit the %s (%d-%d) in %q"):format(
          item, field.name, field.min, field.max, text)
      end
    end
  end
end

local CRON = {
  tz = { schema.string, default = "UTC" },
  missed = { schema.enum { "skip", "latest", "all" }, default = "latest" },
}

local EVENT = {
  type = { schema.string, required = true },
  subject = { schema.string, default = "" },
  source = { schema.string, default = "" },
  fate = { schema.enum { "each", "coalesce" }, default = "each" },
  window = { schema.duration, default = 0 },
}

local BAKERS = {}

function BAKERS.cron(record, report)
  if type(record.body) ~= "string" then
    report("tg.cron takes an expression, not " .. words.describe(record.body),
      'tg.cron "0 5 * * *"')
    return nil
  end
  local fault = triggers.cron_fault(record.body)
  if fault then report(fault, "minute hour day-of-month month day-of-week") end
  local options = schema.record(CRON)(record.options or {}, report, "tg.cron")
  return { kind = "cron", expr = record.body, tz = options.tz, missed = options.missed }
end

function BAKERS.event(record, report)
  local event = schema.record(EVENT)(record.body, report, "tg.event")
  if event.fate == "coalesce" and event.window == 0 then
    report('tg.event: fate "coalesce" needs a window', 'window = "30s"')
  end
  return { kind = "event", type = event.type, subject = event.subject, source = event.source,
    fate = event.fate, window_ms = event.window }
end

---Bakes one entry of a pipeline's `on`.
---@param value any
---@param faults tidegate.Faults
---@param at string where the pipeline stands
---@param name string "on[1]"
---@return table?
function triggers.bake(value, faults, at, name)
  local record = words.record(value)
  if record and record.word == "unknown" then return nil end
  local baker = record and BAKERS[record.word]
  if not baker then
    faults:add(at, ("%s must be tg.cron or tg.event, not %s"):format(name, words.describe(value)))
    return nil
  end
  return baker(record, faults:reporter(record.at))
end

return triggers
