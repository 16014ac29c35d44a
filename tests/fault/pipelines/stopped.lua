-- SPDX-License-Identifier: Apache-2.0
-- Work of every kind that goes on while a worker or the host is stopped.
local tg = require "tidegate"
local notes = require "notes"
local file = require "tidegate.file"

local function started(ctx)
  notes.leave(ctx)
  assert(file.write("files/started." .. ctx.task, ""))
end

return tg.pipeline "p" {
  tasks = {
    -- Not a try of its own may be lost: there is no retry.
    tg.task "computes" { timeout = "1200ms", run = function(ctx)
      started(ctx)
      local sum = 0
      for i = 1, 2e7 do sum = sum + i end
      return sum
    end },
    tg.task "sleeps" { timeout = "5s", run = function(ctx)
      started(ctx)
      ctx:sleep "1s"
      return "slept"
    end },
    tg.cmd "command" {
      shell = true, timeout = "1200ms",
      argv = notes.shell .. "echo >files/started.command; sleep 0.3; echo done",
    },
    tg.task "retries" {
      retry = { attempts = 2, base = "400ms", jitter = "none" },
      run = function(ctx)
        started(ctx)
        if ctx.attempt == 1 then error "again" end
        return ctx.attempt
      end,
    },
    tg.task "last" {
      after = { "computes", "sleeps", "command", "retries" },
      run = function(ctx) notes.leave(ctx) end,
    },
  },
}
