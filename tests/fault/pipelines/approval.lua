-- SPDX-License-Identifier: Apache-2.0
-- A task that waits for a person, whom a command of the same run plays.
local tg = require "tidegate"
local notes = require "notes"

local answer = notes.shell .. [[
  until test -e "files/asked.$TIDEGATE_RUN_ID"; do sleep 0.01; done
  for try in 1 2 3 4 5 6 7 8 9 10; do
    test -e "files/answered.$TIDEGATE_RUN_ID" && exit 0
    "$FAULT_BINARY" -q approve "$TIDEGATE_RUN_ID" asks --by fault && exit 0
    sleep 0.02
  done
  exit 1
]]

return tg.pipeline "p" {
  tasks = {
    tg.task "asks" { run = function(ctx)
      notes.mark(ctx, "asked")
      local said = assert(ctx:approve { message = "Go on?" })
      return ctx:step("after", function()
        notes.leave(ctx, nil, "after")
        notes.mark(ctx, "answered")
        return said.by
      end)
    end },
    tg.cmd "answers" {
      shell = true, env = { "PATH", "HOME", "FAULT_BINARY" }, argv = answer,
      retry = { attempts = 10, base = "1ms", on = { "transient", "permanent" } },
    },
    tg.task "last" {
      after = { "asks", "answers" },
      run = function(ctx) notes.leave(ctx) assert(ctx.output.asks == "fault") end,
    },
  },
}
