-- SPDX-License-Identifier: Apache-2.0
-- A run that fails in one item as long as there is no file files/repaired.
local tg = require "tidegate"
local notes = require "notes"

return tg.pipeline "p" {
  tasks = {
    tg.task "list" { run = function(ctx) notes.leave(ctx) return { 1, 2, 3 } end },
    tg.map "items" {
      after = "list", over = function(ctx) return ctx.output.list end,
      run = function(ctx, item)
        notes.leave(ctx, ctx.index)
        assert(item ~= 2 or require "tidegate.file".stat "files/repaired")
        return item
      end,
    },
    tg.task "last" { after = "items", run = function(ctx) notes.leave(ctx) end },
  },
}
