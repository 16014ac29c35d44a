-- SPDX-License-Identifier: Apache-2.0
-- Child runs of pipelines that have one place: they queue, are passed by, or make way.
local tg = require "tidegate"
local notes = require "notes"

local tasks = {}
for _, pipeline in ipairs { "queued", "skipped", "latest" } do
  for i = 1, 2 do
    tasks[#tasks + 1] = tg.run("quiet_" .. pipeline .. i) {
      pipeline = pipeline, wait = pipeline ~= "latest", params = function() return { n = i } end,
    }
  end
end
tasks[#tasks + 1] = tg.task "last" {
  after = { "quiet_queued1", "quiet_queued2", "quiet_skipped1" },
  run = function(ctx) notes.leave(ctx) end,
}
return tg.pipeline "p" { tasks = tasks }
