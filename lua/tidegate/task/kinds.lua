-- SPDX-License-Identifier: Apache-2.0
--- The kinds of tasks by their word. A kind is a module of one shape, checked when it is loaded:
---
---   schema    the fields it takes beside those of every task (pipeline/schema.lua)
---   bake      function(task, report, faults): completes a task from its own fields, task.own
---   is_plain  true where those fields stay with the task itself; there are many tasks of this kind
---   run       function(task, ctx, facts, phase) -> value | nil, err: an attempt, in a script worker;
---             false where the host does it. The phase is nil but for a map: "over" or "item"

---@class tidegate.Kind
---@field schema tidegate.Schema
---@field bake fun(task: tidegate.BakedTask, report: tidegate.Report, faults: tidegate.Faults)
---@field is_plain true?
---@field run false | fun(task: tidegate.BakedTask, ctx: tidegate.Context, facts: table, phase: string?): any, any

local SHAPE = {
  schema = { table = true },
  bake = { ["function"] = true },
  run = { ["function"] = true, boolean = true },
}

local function check(word, kind)
  for field, types in pairs(SHAPE) do
    assert(types[type(kind[field])], ("the task kind %q has no proper %s"):format(word, field))
  end
  return kind
end

return {
  branch = check("branch", require "tidegate.task.branch"),
  cmd = check("cmd", require "tidegate.task.cmd"),
  gate = check("gate", require "tidegate.task.gate"),
  map = check("map", require "tidegate.task.map"),
  run = check("run", require "tidegate.task.run"),
  sql = check("sql", require "tidegate.task.sql"),
  task = check("task", require "tidegate.task.task"),
}
