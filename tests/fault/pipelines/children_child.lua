-- SPDX-License-Identifier: Apache-2.0
local tg = require "tidegate"
local notes = require "notes"

return tg.pipeline "child" {
  params = { n = tg.int { default = 0 } },
  tasks = {
    tg.cmd "first" { shell = true, argv = notes.shell },
    tg.task "add" {
      after = "first",
      run = function(ctx) notes.leave(ctx) return ctx.params.n + 1 end,
    },
  },
}
