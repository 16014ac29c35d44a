-- SPDX-License-Identifier: Apache-2.0
--- What starts a run by itself: tg.cron and tg.event.
local json = require "tidegate.json"
local schema = require "tidegate.pipeline.schema"
local words = require "tidegate.pipeline.words"

local triggers = {}

-- Lists of texts, or one text; what they say is for the host to judge.
local CALENDAR = {
  weekdays = { schema.string },
  holidays = { schema.strings, default = {} },
  hours = { schema.strings, default = {} },
  blackouts = { schema.strings, default = {} },
}

local CRON = {
  tz = { schema.string, default = "UTC" },
  missed = { schema.enum { "skip", "latest", "all" }, default = "latest" },
  calendar = { schema.record(CALENDAR) },
  on_closed = { schema.enum { "skip", "shift" }, default = "skip" },
}

local EVENT = {
  type = { schema.string, required = true },
  subject = { schema.string, default = "" },
  source = { schema.string, default = "" },
  fate = { schema.enum { "each", "coalesce" }, default = "each" },
  window = { schema.duration, default = 0 },
}

local BAKERS = {}

local function texts(list)
  return json.array(table.move(list or {}, 1, #(list or {}), 1, {}))
end

local function calendar_plan(calendar)
  return calendar and {
    weekdays = calendar.weekdays, holidays = texts(calendar.holidays),
    hours = texts(calendar.hours), blackouts = texts(calendar.blackouts),
  }
end

-- The expression, the zone and the calendar are read by the host, which tells their faults at `at`.
function BAKERS.cron(record, report)
  if type(record.body) ~= "string" then
    report("tg.cron takes an expression, not " .. words.describe(record.body),
      'tg.cron "0 5 * * *"')
    return nil
  end
  local options = schema.record(CRON)(record.options or {}, report, "tg.cron")
  return {
    kind = "cron", at = record.at, expr = record.body, tz = options.tz, missed = options.missed,
    calendar = calendar_plan(options.calendar), on_closed = options.on_closed,
  }
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
