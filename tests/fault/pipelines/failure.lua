-- SPDX-License-Identifier: Apache-2.0
-- A run that fails: what comes after is passed by, and what was set up is torn down.
local tg = require "tidegate"
local notes = require "notes"

return tg.pipeline "p" {
  tasks = {
    tg.task "up" { setup = true, run = function(ctx) notes.leave(ctx) end },
    tg.cmd "bad" {
      after = "up", shell = true, argv = notes.shell .. " false",
      retry = { attempts = 2, base = "2ms" },
    },
    tg.task "after" { after = "bad", run = notes.leave },
    tg.task "mends" {
      after = "bad", when = "one_failed", run = function(ctx) notes.leave(ctx) end,
    },
    tg.task "down" {
      after = { "up", "bad" }, teardown = true, run = function(ctx) notes.leave(ctx) end,
    },
  },
}
