-- SPDX-License-Identifier: Apache-2.0
-- A task and an item that do not end until they are cancelled.
local tg = require "tidegate"
local notes = require "notes"
local file = require "tidegate.file"

local function hang(ctx, item)
  notes.leave(ctx, item)
  assert(file.write("files/hangs." .. ctx.task, ""))
  while true do ctx:sleep "100ms" end
end

return tg.pipeline "p" {
  tasks = {
    tg.task "slow" { run = hang },
    tg.map "items" {
      over = function() return { 1, 2, 3 } end, fail_after = 2,
      run = function(ctx, item)
        if item == 2 then return hang(ctx, ctx.index) end
        notes.leave(ctx, ctx.index)
        return item
      end,
    },
    tg.task "after" { after = "slow", run = notes.leave },
    tg.task "mends" {
      after = { "slow", "items" }, when = "all_done", run = function(ctx) notes.leave(ctx) end,
    },
  },
}
