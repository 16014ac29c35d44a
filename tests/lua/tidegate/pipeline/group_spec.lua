-- SPDX-License-Identifier: Apache-2.0
local project_of = require "support.project"

describe("a group", function()
  local project
  before_each(function() project = project_of.new() end)
  after_each(function() project:close() end)

  -- Gives the tasks of a plan by name, with their upstreams as names: { ["g.a"] = "first second" }.
  local function graph(tasks)
    local plan, faults = project:build("tasks = { " .. tasks .. " }")
    assert(plan, faults and faults[1].message)
    local names, after = {}, {}
    for i, task in ipairs(plan.tasks) do
      for j, index in ipairs(task.after or {}) do names[j] = plan.tasks[index + 1].name end
      after[task.name] = table.concat(names, " ", 1, #(task.after or {}))
      names[i] = nil
    end
    return after, plan
  end

  local function t(name, fields)
    return ('tg.task "%s" { run = print, %s },'):format(name, fields or "")
  end

  local function g(name, tasks, fields)
    return ('tg.group "%s" { tasks = { %s }, %s },'):format(name, tasks, fields or "")
  end

  it("puts its name before those of its tasks, which stand where it stands", function()
    local after, plan = graph(t "first" .. g("g", t "a" .. t("b", 'after = "a"')) .. t "last")
    assert.same({ first = "", ["g.a"] = "", ["g.b"] = "g.a", last = "" }, after)
    assert.same({ "first", "g.a", "g.b", "last" },
      { plan.tasks[1].name, plan.tasks[2].name, plan.tasks[3].name, plan.tasks[4].name })
    assert.same({ "g", "g" }, { plan.tasks[2].group, plan.tasks[3].group })
    assert.is_nil(plan.tasks[1].group)
  end)

  it("hands its after and when on to the tasks that wait for none of its own", function()
    local after, plan = graph(t "first" .. g("g", t "a" .. t "c" .. t("b", 'after = "a"')
      .. t("own", 'when = "one_done"'), 'after = "first", when = "all_done"'))
    assert.same({ first = "", ["g.a"] = "first", ["g.c"] = "first", ["g.b"] = "g.a",
      ["g.own"] = "first" }, after)
    local when = {}
    for i, task in ipairs(plan.tasks) do when[i] = task.when or "-" end
    assert.same({ "-", "all_done", "all_done", "-", "one_done" }, when)
  end)

  it("is waited for by waiting for its last tasks", function()
    assert.equal("g.b g.c", graph(g("g", t "a" .. t("b", 'after = "a"') .. t "c")
      .. t("last", 'after = "g"')).last)
  end)

  it("is not waited for by waiting for its teardowns", function()
    assert.equal("g.a", graph(g("g", t "a" .. t("down", 'after = "a", teardown = true'))
      .. t("last", 'after = "g"')).last)
    assert.equal("g.down", graph(g("g", t("down", "teardown = true"))
      .. t("last", 'after = "g"')).last)
  end)

  it("may come after a group, and may stand in one", function()
    local after = graph(g("one", t "a" .. g("inner", t "b" .. t("c", 'after = "b"'), 'after = "a"'))
      .. g("two", t "d", 'after = "one"'))
    assert.same({ ["one.a"] = "", ["one.inner.b"] = "one.a", ["one.inner.c"] = "one.inner.b",
      ["two.d"] = "one.inner.c" }, after)
  end)

  it("means by a name what is nearest, and by its task's own name one further out", function()
    local after = graph(t "a" .. t "b" .. g("g", t "a" .. t("x", 'after = { "a", "b" }')
      .. t("b", 'after = "b"')))
    assert.equal("g.a g.b", after["g.x"])
    assert.equal("b", after["g.b"])
    assert.equal("g.a", graph(g("g", t "a") .. t("x", 'after = "g.a"')).x)
  end)

  it("can be where a branch leads to", function()
    local after, plan = graph('tg.branch "way" { to = { "g", "other" }, decide = function() return'
      .. ' "g" end },' .. g("g", t "a" .. t("b", 'after = "a"') .. t "c") .. t "other")
    assert.same({ way = "", ["g.a"] = "way", ["g.b"] = "g.a", ["g.c"] = "way", other = "way" },
      after)
    assert.same({ 1, 3, 4 }, plan.tasks[1].to)
    local _, facts = project:run(0)
    assert.same({ "g.a", "g.c" }, facts.chosen)
  end)

  it("can hold a branch, which decides by the names it was given", function()
    local after = graph(g("g", 'tg.branch "way" { to = { "a", "b" }, decide = function() return'
      .. ' "b" end },' .. t "a" .. t "b"))
    assert.same({ ["g.way"] = "", ["g.a"] = "g.way", ["g.b"] = "g.way" }, after)
    local _, facts = project:run(0)
    assert.same({ "g.b" }, facts.chosen)
  end)

  it("can hold maps over maps", function()
    local _, plan = graph(t "m" .. g("g", 'tg.map "m" { over = print, run = print },'
      .. 'tg.map "n" { over = "m", run = print }'))
    assert.equal(1, plan.tasks[3].map.over)
    assert.same({ 1 }, plan.tasks[3].after)
  end)

  it("lets its tasks name each other's outputs and states as they name each other", function()
    graph(g("g", t "a" .. 'tg.task "b" { after = "a", run = function(ctx)'
      .. 'return { ctx.output.a, ctx.output["g.a"], ctx.states.a, ctx.states["g.a"] } end }'))
    assert.same({ 5, 5, "success", "success" },
      (project:run(1, { output = { ["g.a"] = 5 }, states = { ["g.a"] = "success" } })))
  end)

  local wrong = {
    { "no name", 'tg.group { tasks = {} }', "tg.group needs a name first" },
    { "a bad name", g("G", t "a"), 'group "G": its name must be a name' },
    { "no body", 'tg.group "g"', 'group "g": has no body' },
    { "no tasks", g("g", ""), 'group "g": it has no tasks' },
    { "the field left out", 'tg.group "g" {}', 'group "g": tasks is missing' },
    { "a wrong field", g("g", t "a", "wen = 1"), 'unknown field wen [did you mean "when"?]' },
    { "a wrong rule", g("g", t "a", 'when = "allways"'), '[did you mean "always"?]' },
    { "a task's name", t "g" .. g("g", t "a"),
      'group "g": this name is taken by the task at pipelines/test.lua:1' },
    { "another group's name", g("g", t "a") .. g("g", t "b"),
      'group "g": this name is taken by the group at' },
    { "two tasks of a name", g("g", t "a" .. t "a"), 'task "g.a": this name is taken' },
    { "a task after nothing", g("g", t "extract" .. t("b", 'after = "extrct"')),
      'task "g.b": after names "extrct", which is no task or group of this pipeline'
        .. ' [did you mean "extract"?]' },
    { "a task after its own group", g("g", t("a", 'after = "g"')),
      'task "g.a": after names "g", the group it is in' },
    { "itself to wait for", g("g", t "a", 'after = "g"'), 'after names "g", the group itself' },
    { "its own task to wait for", g("g", t "a", 'after = "g.a"'),
      'group "g": after names "g.a", which is inside of it' },
    { "a task after itself", g("g", t("a", 'after = "a"')), "it cannot come after itself" },
    { "a circle of groups", g("g", t "a", 'after = "h"') .. g("h", t "b", 'after = "g"'),
      "the graph has a cycle: g.a -> h.b -> g.a" },
    { "too long a name with its groups", g(("g"):rep(100), t(("a"):rep(100))),
      "is longer than 128 bytes" },
    { "a value that is no task", g("g", "5"), "tasks[1] must be a task, not 5" },
  }
  for _, case in ipairs(wrong) do
    it("refuses " .. case[1], function()
      local faults = project:faults("tasks = { " .. case[2] .. " }")
      assert.truthy(faults:find(case[3], 1, true), faults == "" and "there is no fault" or faults)
    end)
  end
end)
