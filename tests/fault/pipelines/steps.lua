-- SPDX-License-Identifier: Apache-2.0
-- Durable steps, before and after a durable sleep and a try that failed.
local tg = require "tidegate"
local notes = require "notes"

local function step(ctx, name)
  return ctx:step(name, function() notes.leave(ctx, nil, name) return name end)
end

return tg.pipeline "p" {
  tasks = {
    tg.task "sleeps" { run = function(ctx)
      assert(step(ctx, "one") == "one")
      ctx:sleep "1s"
      assert(step(ctx, "two") == "two")
    end },
    tg.task "retries" {
      retry = { attempts = 2, base = "1ms" },
      run = function(ctx)
        local one, two = step(ctx, "one"), step(ctx, "two")
        if ctx.attempt == 1 then error "the first try fails" end
        return { one, two, step(ctx, "three") }
      end,
    },
    tg.map "items" {
      over = function() return { 1, 2 } end,
      run = function(ctx)
        return ctx:step("one", function() notes.leave(ctx, ctx.index, "one") return ctx.index end)
      end,
    },
    tg.task "last" {
      after = { "sleeps", "retries", "items" },
      run = function(ctx) notes.leave(ctx) return ctx.output.retries end,
    },
  },
}
