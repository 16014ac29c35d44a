-- SPDX-License-Identifier: Apache-2.0
local project_of = require "support.project"

describe("a task as fallback", function()
  local project
  before_each(function() project = project_of.new() end)
  after_each(function() project:close() end)

  local function tasks_of(text)
    local plan = assert(project:build("tasks = {" .. text .. "}"))
    local tasks = {}
    for i, task in ipairs(plan.tasks) do tasks[task.name] = task; task.index = i - 1 end
    return tasks
  end

  it("waits for what the task waits for that it stands in for, and has its rule", function()
    local tasks = tasks_of [[
      tg.task "x" { run = print }, tg.task "y" { run = print },
      tg.task "a" { after = "x", when = "all_done", run = print, fallback = "spare" },
      tg.task "spare" { after = "y", run = print },
    ]]
    assert.equal(tasks.spare.index, tasks.a.fallback)
    assert.same({ tasks.y.index, tasks.x.index }, tasks.spare.after)
    assert.equal("all_done", tasks.spare.when)
    assert.same({ tasks.x.index }, tasks.a.after)
  end)

  it("keeps a rule of its own", function()
    local tasks = tasks_of [[
      tg.task "x" { run = print },
      tg.task "a" { after = "x", when = "all_done", run = print, fallback = "spare" },
      tg.task "spare" { when = "one_success", run = print },
    ]]
    assert.equal("one_success", tasks.spare.when)
  end)

  it("is found from within a group, and waits for the group's upstreams", function()
    local tasks = tasks_of [[
      tg.task "x" { run = print },
      tg.group "g" { after = "x", tasks = {
        tg.task "a" { run = print, fallback = "spare" },
        tg.task "spare" { run = print },
      } },
      tg.task "last" { after = "g", run = print },
    ]]
    assert.equal(tasks["g.spare"].index, tasks["g.a"].fallback)
    assert.same({ tasks.x.index }, tasks["g.spare"].after)
    assert.same({ tasks["g.a"].index }, tasks.last.after) -- it is no end of its group
  end)

  it("goes where a branch leads with the task it stands in for", function()
    local tasks = tasks_of [[
      tg.branch "b" { decide = function() return "a" end, to = { "a", "other" } },
      tg.task "a" { run = print, fallback = "spare" }, tg.task "other" { run = print },
      tg.task "spare" { run = print },
    ]]
    assert.same({ tasks.b.index }, tasks.spare.after)
  end)

  local wrong = {
    { "itself", 'tg.task "a" { run = print, fallback = "a" }', "it cannot be its own fallback" },
    { "a task of a map", [[tg.map "a" { over = print, run = print, fallback = "b" },
      tg.task "b" { run = print }]], "a map has no other task as its fallback" },
    { "a map", [[tg.task "a" { run = print, fallback = "b" },
      tg.map "b" { over = print, run = print }]], 'its fallback "b" is a map' },
    { "a teardown", [[tg.task "a" { run = print, fallback = "b" },
      tg.task "b" { run = print, teardown = true }]], 'its fallback "b" is a teardown' },
    { "one that has one itself", [[tg.task "a" { run = print, fallback = "b" },
      tg.task "b" { run = print, fallback = "c" }, tg.task "c" { run = print }]],
      'its fallback "b" has a task as its fallback itself' },
    { "two that would wait for each other's end", [[
      tg.task "a" { run = print, fallback = "b" }, tg.task "b" { after = "c", run = print },
      tg.task "c" { run = print, fallback = "d" }, tg.task "d" { after = "a", run = print }]],
      "a task and its fallback end together" },
  }
  for _, case in ipairs(wrong) do
    it("cannot be " .. case[1], function()
      local faults = project:faults("tasks = {" .. case[2] .. "}")
      assert.truthy(faults:find(case[3], 1, true), faults == "" and "there is no fault" or faults)
    end)
  end
end)
