-- SPDX-License-Identifier: Apache-2.0
-- A command that does not end, and one of its children that is no longer of its group, until there is
-- a file files/go.
local tg = require "tidegate"
local notes = require "notes"

return tg.pipeline "p" {
  tasks = {
    tg.task "up" { setup = true, run = function(ctx) notes.leave(ctx) end },
    tg.cmd "hangs" {
      after = "up", shell = true, grace = "10ms",
      argv = notes.shell
        .. "test -e files/go || { setsid sleep 1000 & echo >files/hangs; exec sleep 1000; }",
    },
    tg.task "waits" { after = "up", run = function(ctx)
      notes.leave(ctx)
      while not require "tidegate.file".stat "files/go" do ctx:sleep "20ms" end
    end },
    tg.task "after" { after = { "hangs", "waits" }, run = function(ctx) notes.leave(ctx) end },
    tg.cmd "down" {
      after = { "up", "hangs" }, teardown = true, shell = true, argv = notes.shell,
    },
  },
}
