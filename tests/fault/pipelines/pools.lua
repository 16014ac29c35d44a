-- SPDX-License-Identifier: Apache-2.0
-- Two child runs and their parent, which share a pool of the project that has one slot.
local tg = require "tidegate"
local notes = require "notes"

local function child(n)
  return tg.run("quiet_child" .. n) { pipeline = "child", params = function() return { n = n } end }
end

return tg.pipeline "p" {
  tasks = {
    child(1), child(2),
    tg.map "own" {
      pool = "one", over = function() return { 1, 2 } end,
      run = function(ctx) notes.between(ctx, ctx.index) end,
    },
    tg.task "last" {
      after = { "quiet_child1", "quiet_child2", "own" }, run = function(ctx) notes.leave(ctx) end,
    },
  },
}
