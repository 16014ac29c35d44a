-- SPDX-License-Identifier: Apache-2.0
--- Durations and dates as text. The host reads durations by the same rules (host/base/units.h).
local units = {}

local UNIT_MS = { ms = 1, s = 1000, m = 60000, h = 3600000, d = 86400000 }
local DURATION_MS_MAX = 3650 * UNIT_MS.d -- ten years: a longer wait is a mistake

units.duration_hint = 'a number with a unit (ms, s, m, h, d), such as "30s", "5m" or "1h30m"'

---Reads a duration.
---
---Units:  ms
---Errors: nil for anything else, and for more than ten years
---@param text any
---@return integer? ms
function units.duration(text)
  if type(text) ~= "string" then return nil end
  local total, at = 0, 1
  repeat
    local number, unit, after = text:match("^(%d+%.?%d*)(%a+)()", at)
    local factor = UNIT_MS[unit]
    if not factor or number:sub(-1) == "." then return nil end
    total, at = total + tonumber(number) * factor, after
  until at > #text
  return total <= DURATION_MS_MAX and math.floor(total) or nil
end

local MONTH_DAYS = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

---Tells whether a text is a date of the calendar, "2026-11-20".
---@param text any
---@return boolean
function units.is_date(text)
  if type(text) ~= "string" then return false end
  local year, month, day = text:match("^(%d%d%d%d)%-(%d%d)%-(%d%d)$")
  if not year then return false end
  year, month, day = tonumber(year), tonumber(month), tonumber(day)
  local is_leap = (year % 4 == 0 and year % 100 ~= 0) or year % 400 == 0
  local days = month == 2 and is_leap and 29 or MONTH_DAYS[month]
  return days ~= nil and day >= 1 and day <= days
end

return units
