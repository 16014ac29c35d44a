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

---Leaves two: one when something begins, and one when it is about to end.
---@param ctx tidegate.Context
---@param item integer?
function notes.between(ctx, item)
  notes.leave(ctx, item, "begin")
  ctx:sleep "5ms"
  notes.leave(ctx, item, "end")
end

---Makes a file of a name that stands for the run: files/NAME.RUN.
---@param ctx tidegate.Context
---@param name string
function notes.mark(ctx, name)
  assert(file.write(("files/%s.%s"):format(name, ctx.run), ""))
end

---Leaves a note in a command: text of the shell.
notes.shell = 'echo "$TIDEGATE_RUN_ID $TIDEGATE_TASK - -"'
  .. ' >files/notes/$TIDEGATE_RUN_ID.$TIDEGATE_TASK.$$;'

return notes
