-- SPDX-License-Identifier: Apache-2.0
-- One task after another, of every kind that needs nothing but itself.
local tg = require "tidegate"
local notes = require "notes"
local store = require "tidegate.store"

local function shell(name, after, fields)
  local task = { after = after, shell = true, argv = notes.shell }
  for field, value in pairs(fields or {}) do task[field] = value end
  return tg.cmd(name)(task)
end

return tg.pipeline "p" {
  tasks = {
    tg.task "up" { setup = true, run = function(ctx) notes.leave(ctx) end },
    shell("one", "up"),
    tg.branch "way" {
      after = "one", to = { "two", "never" },
      decide = function(ctx) notes.leave(ctx) return "two" end,
    },
    tg.task "two" {
      retry = { attempts = 2, base = "2ms", jitter = "none" },
      run = function(ctx)
        notes.leave(ctx)
        if ctx.attempt == 1 then error "the first try fails" end
        assert(store.put("two", ctx.attempt))
        return ctx.attempt
      end,
    },
    tg.task "never" { run = notes.leave },
    tg.task "fall" {
      after = "two",
      run = function(ctx) notes.leave(ctx) error "no luck" end,
      fallback = function() return "fallen" end,
    },
    tg.task "fetch" {
      after = "two", fallback = "spare",
      run = function(ctx) notes.leave(ctx) error "no luck either" end,
    },
    tg.task "spare" { run = function(ctx) notes.leave(ctx) return "spared" end },
    tg.task "last" {
      after = { "fall", "fetch", "never" }, when = "none_failed",
      run = function(ctx) notes.leave(ctx) return ctx.output.fall end,
    },
    shell("down", { "up", "last" }, { teardown = true }),
  },
}
