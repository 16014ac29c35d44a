-- SPDX-License-Identifier: Apache-2.0
-- What runs when a host is asked to stop, and what comes after it.
local tg = require "tidegate"
local notes = require "notes"

return tg.pipeline "p" {
  tasks = {
    tg.cmd "a" {
      shell = true, argv = notes.shell .. "echo >files/started; sleep 0.4; echo >files/ended",
    },
    tg.task "s" { run = function(ctx) notes.leave(ctx) ctx:sleep "300ms" end },
    tg.cmd "b" { after = "a", shell = true, argv = notes.shell },
  },
}
