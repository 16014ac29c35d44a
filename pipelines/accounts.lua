-- SPDX-License-Identifier: Apache-2.0
-- How many accounts this machine has, and how many of them can log in, a row a day in gold_accounts.
local tg = require "tidegate"

local COUNT = [[getent passwd | awk -F: '
  $7 !~ /(nologin|false|sync)$/ { login++ }
  END { printf "{\"accounts\":%d,\"login\":%d}\n", NR, login }']]

local function day(ctx) return ctx.logical_date:sub(1, 10) end

return tg.pipeline "accounts" {
  doc = "How many accounts there are",
  tasks = {
    tg.cmd "count" { shell = true, argv = COUNT, output = "json", timeout = "1m" },
    tg.sql "gold" {
      after = "count", into = "gold_accounts", partition = { column = "day", value = day },
      query = "SELECT :day AS day, :accounts AS accounts, :login AS login",
      params = {
        day = day,
        accounts = function(ctx) return ctx.output.count.accounts end,
        login = function(ctx) return ctx.output.count.login end,
      },
    },
  },
}
