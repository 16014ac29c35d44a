-- SPDX-License-Identifier: Apache-2.0
-- A task that waits for an event which a command of the same run sends.
local tg = require "tidegate"
local notes = require "notes"

local send = notes.shell .. [[
  printf '{"specversion":"1.0","source":"/fault","id":"%s","type":"done","subject":"%s"}' \
    "$TIDEGATE_KEY" "$TIDEGATE_RUN_ID" >files/event.$$.json &&
  "$FAULT_BINARY" -q event send files/event.$$.json
]]

return tg.pipeline "p" {
  tasks = {
    tg.task "waits" { run = function(ctx)
      local event = assert(ctx:wait_event { type = "done", subject = ctx.run, since = "run" })
      return ctx:step("after", function() notes.leave(ctx, nil, "after") return event.subject end)
    end },
    tg.cmd "sends" {
      shell = true, env = { "PATH", "HOME", "FAULT_BINARY" }, argv = send,
      retry = { attempts = 3, base = "1ms" },
    },
    tg.task "last" {
      after = { "waits", "sends" },
      run = function(ctx) notes.leave(ctx) assert(ctx.output.waits == ctx.run) end,
    },
  },
}
