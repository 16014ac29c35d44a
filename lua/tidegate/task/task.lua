-- SPDX-License-Identifier: Apache-2.0
--- tg.task: a Lua function.
local schema = require "tidegate.pipeline.schema"

return {
  schema = { run = { schema.func, required = true } },
  bake = function() end,
  run = function(task, ctx) return task.run(ctx) end,
  is_plain = true,
}
