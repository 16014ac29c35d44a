-- SPDX-License-Identifier: Apache-2.0
-- A policy decides whether what failed is tried again.
local tg = require "tidegate"
local notes = require "notes"

local function fail(ctx, tries)
  notes.leave(ctx)
  if ctx.attempt <= tries then error { class = "permanent", message = "no " .. ctx.attempt } end
  return ctx.attempt
end

return tg.pipeline "p" {
  tasks = {
    tg.task "mends" {
      retry = tg.policy "again", run = function(ctx) return fail(ctx, 3) end,
    },
    tg.task "gives_up" {
      retry = tg.policy "again", run = function(ctx) return fail(ctx, 99) end,
      fallback = function() return "fallen" end,
    },
    tg.task "last" { after = { "mends", "gives_up" }, run = function(ctx) notes.leave(ctx) end },
  },
}
