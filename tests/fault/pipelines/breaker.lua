-- SPDX-License-Identifier: Apache-2.0
-- A resource that fails at first: its breaker opens, and whoever wants it waits for a probe.
local tg = require "tidegate"
local notes = require "notes"

return tg.pipeline "p" {
  tasks = {
    tg.task "opens" {
      resource = "remote",
      retry = { attempts = 6, base = "1ms", jitter = "none", backoff = "constant" },
      run = function(ctx)
        notes.leave(ctx)
        if ctx.attempt <= 2 then error { class = "transient", message = "not yet" } end
        return ctx.attempt
      end,
    },
    tg.cmd "before" { shell = true, argv = notes.shell .. "sleep 0.13" },
    tg.map "held" {
      after = "before", resource = "remote", over = function() return { 1, 2, 3 } end,
      run = function(ctx) notes.leave(ctx, ctx.index) end,
    },
    tg.task "last" { after = { "opens", "held" }, run = function(ctx) notes.leave(ctx) end },
  },
}
