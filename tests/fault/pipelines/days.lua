-- SPDX-License-Identifier: Apache-2.0
-- What a backfill runs for each day.
local tg = require "tidegate"
local notes = require "notes"

return tg.pipeline "p" {
  on = { tg.cron "0 5 * * *" },
  tasks = {
    tg.task "one" { run = function(ctx) notes.leave(ctx) return ctx.interval.start end },
    tg.cmd "two" { after = "one", shell = true, argv = notes.shell },
  },
}
