-- SPDX-License-Identifier: Apache-2.0
-- A map over what a task gave, another over its items, and a task behind both.
local tg = require "tidegate"
local notes = require "notes"

return tg.pipeline "p" {
  pools = { narrow = 2 },
  tasks = {
    tg.task "list" { run = function(ctx) notes.leave(ctx) return { 3, 1, 4, 1, 5, 9 } end },
    tg.map "squares" {
      after = "list", limit = 3, pool = "narrow",
      over = function(ctx) return ctx.output.list end,
      key = function(_, item) return item % 2 end, limit_per_key = 2,
      retry = { attempts = 2, base = "1ms" },
      run = function(ctx, item)
        notes.leave(ctx, ctx.index)
        if item == 4 and ctx.attempt == 1 then error "the first try fails" end
        return item * item
      end,
    },
    tg.map "texts" {
      over = "squares", order = "depth",
      run = function(ctx, item) notes.leave(ctx, ctx.index) return "n" .. item end,
    },
    tg.cmd "last" { after = "texts", shell = true, argv = notes.shell },
  },
}
