-- SPDX-License-Identifier: Apache-2.0
local tg = require "tidegate"
local notes = require "notes"

return tg.pipeline "child" {
  params = { n = tg.int() },
  tasks = {
    tg.task "first" { pool = "one", run = function(ctx) notes.between(ctx) end },
    tg.task "second" { after = "first", pool = "one", run = function(ctx) notes.between(ctx) end },
  },
}
