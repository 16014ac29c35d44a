-- SPDX-License-Identifier: Apache-2.0
--- What tasks write when they start, for a checker that knows nothing else of them: a file each,
--- "RUN TASK ITEM STEP".
local file = require "tidegate.file"

local notes = {}

---Leaves a note that a task, an item of a map or a step begins.
---@param ctx tidegate.Context
---@param item integer|string? "-" without one
---@param step string?
function notes.leave(ctx, item, step)
  item, step = item or "-", step or "-"
  local path
  local number = 0
  repeat
    number = number + 1
    path = ("files/notes/%s.%s.%s.%s.%d"):format(ctx.run, ctx.task, item, step, number)
  until not file.stat(path)
  assert(file.write(path, ("%s %s %s %s"):format(ctx.run, ctx.task, item, step)))
end

---Does the same in a command: text of the shell.
notes.shell = 'echo "$TIDEGATE_RUN_ID $TIDEGATE_TASK - -"'
  .. ' >files/notes/$TIDEGATE_RUN_ID.$TIDEGATE_TASK.$$;'

return notes
