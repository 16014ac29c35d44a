-- SPDX-License-Identifier: Apache-2.0
-- How full the disk is that this project stands on, a row a day in gold_disk.
local tg = require "tidegate"

local MEASURE = [[df -Pk . | awk '
  NR == 2 { printf "{\"used_kib\":%s,\"free_kib\":%s}\n", $3, $4 }']]

local function day(ctx) return ctx.logical_date:sub(1, 10) end

return tg.pipeline "disk" {
  doc = "How full the disk is",
  tasks = {
    tg.cmd "measure" { shell = true, argv = MEASURE, output = "json", timeout = "1m" },
    tg.sql "gold" {
      after = "measure", into = "gold_disk", partition = { column = "day", value = day },
      query = "SELECT :day AS day, :used_kib AS used_kib, :free_kib AS free_kib",
      params = {
        day = day,
        used_kib = function(ctx) return ctx.output.measure.used_kib end,
        free_kib = function(ctx) return ctx.output.measure.free_kib end,
      },
    },
  },
}
