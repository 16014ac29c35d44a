-- SPDX-License-Identifier: Apache-2.0
-- A pipeline of pipelines: three that read this machine, side by side, then one that sums them up.
-- Each is a run of its own, with its own history; cancelling this one cancels them.
--
--   tidegate run nightly
--   tidegate show last
local tg = require "tidegate"

local function digest_params(ctx)
  return { packages = ctx.output["sources.packages"].outputs.silver_packages.rows }
end

return tg.pipeline "nightly" {
  doc = "Everything about this machine, once a night",
  on = { tg.cron "30 2 * * *" },
  limits = { timeout = "1h" },
  tasks = {
    tg.group "sources" {
      tasks = {
        tg.run "packages" { pipeline = "packages" },
        tg.run "disk" { pipeline = "disk" },
        tg.run "accounts" { pipeline = "accounts" },
      },
    },
    tg.run "digest" { after = "sources", pipeline = "digest", params = digest_params },
  },
}
