-- SPDX-License-Identifier: Apache-2.0
-- Two child runs: one that is waited for, one that is not.
local tg = require "tidegate"
local notes = require "notes"

return tg.pipeline "p" {
  tasks = {
    tg.task "before" { run = function(ctx) notes.leave(ctx) return 20 end },
    tg.run "quiet_waits" {
      after = "before", pipeline = "child",
      params = function(ctx) return { n = ctx.output.before } end,
    },
    tg.run "quiet_goes_on" {
      after = "before", pipeline = "child", wait = false,
      params = function() return { n = 7 } end,
    },
    tg.task "after" {
      after = { "quiet_waits", "quiet_goes_on" },
      run = function(ctx)
        notes.leave(ctx)
        assert(ctx.output.quiet_waits.outputs.add == 21)
      end,
    },
  },
}
