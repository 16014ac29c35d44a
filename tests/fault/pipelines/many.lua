-- SPDX-License-Identifier: Apache-2.0
-- Many short tasks, and one that needs all of its three tries.
local tg = require "tidegate"
local notes = require "notes"
local file = require "tidegate.file"

local tasks = {}
for i = 1, 150 do
  tasks[i] = tg.task("t" .. i) { run = function(ctx)
    notes.leave(ctx)
    if i == 1 then assert(file.write("files/up", "")) end
    ctx:sleep "10ms"
    return ctx.key
  end }
end
tasks[#tasks + 1] = tg.task "flaky" {
  retry = { attempts = 3, base = "200ms", jitter = "none", backoff = "constant" },
  run = function(ctx)
    local failures = tonumber((file.read "files/failures")) or 0
    ctx:sleep "15ms"
    notes.leave(ctx)
    if failures == 2 then return failures end
    assert(file.write("files/failures", tostring(failures + 1)))
    error "not yet"
  end,
}
return tg.pipeline "p" { limits = { tasks = 8 }, tasks = tasks }
