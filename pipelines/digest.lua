-- SPDX-License-Identifier: Apache-2.0
-- What a day was like on this machine, in one row of gold_digest. Made for nightly.lua, which runs it
-- once the tables are there that it reads.
local tg = require "tidegate"

local function day(ctx) return ctx.logical_date:sub(1, 10) end

return tg.pipeline "digest" {
  doc = "A day in one row",
  params = { packages = tg.int { min = 0, doc = "how many packages are known" } },
  tasks = {
    tg.sql "gold" {
      into = "gold_digest", partition = { column = "day", value = day },
      query = [[
        SELECT d.day, :packages AS packages, a.accounts,
               d.used_kib * 100 / (d.used_kib + d.free_kib) AS disk_percent
        FROM gold_disk d JOIN gold_accounts a USING (day)
        WHERE d.day = :day]],
      params = { day = day },
    },
    tg.task "tell" {
      after = "gold",
      run = function(ctx)
        ctx:log("%d packages on %s", ctx.params.packages, day(ctx))
        return { day = day(ctx) }
      end,
    },
  },
}
