-- SPDX-License-Identifier: Apache-2.0
local tg = require "tidegate"
local notes = require "notes"

return tg.pipeline "queued" {
  params = { n = tg.int() },
  limits = { runs = 1, overlap = "queue" },
  tasks = {
    tg.task "only" { run = function(ctx) notes.leave(ctx) ctx:sleep "10ms" end },
  },
}
