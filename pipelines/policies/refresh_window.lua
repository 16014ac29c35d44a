-- SPDX-License-Identifier: Apache-2.0
-- When the summary is made anew: as soon as the gold tables have changed, and each night in any
-- case. Never from data that is empty or largely unreadable.
local tg = require "tidegate"

local NIGHT_BEGINS, NIGHT_ENDS = 1, 5 -- UTC; the hour of the end is not in it
local BAD_PERCENT_MAX = 25

return {
  doc = "Refreshes when something changed, or in the nightly window",
  kind = "refresh",
  input = {
    hour = tg.int { min = 0, max = 23, doc = "of the run's logical date, UTC" },
    changed = tg.bool { doc = "the gold tables are other than at the last refresh" },
    packages = tg.int { min = 0, doc = "rows that could be read" },
    bad = tg.int { min = 0, doc = "rows in quarantine" },
  },
  decide = function(input)
    if input.packages == 0 then return { action = "hold", reason = "there are no packages" } end
    if input.bad * 100 > (input.packages + input.bad) * BAD_PERCENT_MAX then
      return { action = "hold", reason = "too many rows are bad" }
    end
    if input.changed then return { action = "refresh", reason = "the gold tables have changed" } end
    if input.hour >= NIGHT_BEGINS and input.hour < NIGHT_ENDS then
      return { action = "refresh", reason = "the nightly window is open" }
    end
    return { action = "hold", reason = "nothing has changed, and the window is closed" }
  end,
  test = {
    { name = "what is new is shown at any hour",
      given = { hour = 12, changed = true, packages = 400, bad = 0 },
      expect = { action = "refresh" } },
    { name = "what is old can wait",
      given = { hour = 12, changed = false, packages = 400, bad = 0 },
      expect = { action = "hold" } },
    { name = "the window opens at its first hour",
      given = { hour = 1, changed = false, packages = 400, bad = 0 },
      expect = { action = "refresh" } },
    { name = "the window closes before its last hour",
      given = { hour = 5, changed = false, packages = 400, bad = 0 },
      expect = { action = "hold" } },
    { name = "nothing is no news",
      given = { hour = 2, changed = true, packages = 0, bad = 0 },
      expect = { action = "hold" } },
    { name = "some bad rows are borne",
      given = { hour = 2, changed = true, packages = 75, bad = 25 },
      expect = { action = "refresh" } },
    { name = "many bad rows are not",
      given = { hour = 2, changed = true, packages = 74, bad = 26 },
      expect = { action = "hold", reason = "too many rows are bad" } },
  },
}
