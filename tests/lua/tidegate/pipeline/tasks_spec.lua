-- SPDX-License-Identifier: Apache-2.0
-- What a pipeline of many tasks is, whether they are kept in columns or in tables.
local project_of = require "support.project"

describe("the tasks of a pipeline", function()
  local project
  before_each(function() project = project_of.new() end)
  after_each(function() project:close() end)

  -- A random file, and the plan that it must give, worked out beside it.
  local function random_file(random)
    local lines, expected, made = { "local tasks, run = {}, function() end" }, {}, {}
    for i = 1, 60 do
      local name, fields, one = "t" .. i, { "run = run" }, { name = "t" .. i, line = i + 1 }
      local count = math.min(#made, random(0, 3))
      if count > 0 then
        local after = {}
        one.after = {}
        for k = 1, count do
          local index = random(1, #made)
          after[k], one.after[k] = ("%q"):format(made[index]), index - 1
        end
        local is_one = count == 1 and random(2) == 1
        fields[2] = "after = " .. (is_one and after[1] or "{ " .. table.concat(after, ", ") .. " }")
      end
      if random(4) == 1 then
        fields[#fields + 1], one.priority = "priority = " .. i, i
      end
      lines[#lines + 1] = ("tasks[%d] = tg.task %q { %s }"):format(i, name,
        table.concat(fields, ", "))
      made[i], expected[i] = name, one
    end
    lines[#lines + 1] = 'return tg.pipeline "test" { tasks = tasks }'
    return table.concat(lines, "\n"), expected
  end

  -- An upstream that is named twice is one.
  local function without_repeats(tasks)
    for _, task in ipairs(tasks) do
      local unique, seen = {}, {}
      for _, index in ipairs(task.after or {}) do
        if not seen[index] then unique[#unique + 1], seen[index] = index, true end
      end
      table.sort(unique)
      task.after = task.after and unique
    end
    return tasks
  end

  it("are what the file says, odd ones and usual ones alike", function()
    local seed = 1
    local function random(low, high)
      if not high then low, high = 1, low end
      seed = (seed * 1103515245 + 12345) % 2147483648
      return low + seed // 65536 % (high - low + 1)
    end
    for _ = 1, 20 do
      local text, expected = random_file(random)
      without_repeats(expected)
      local plan = assert(project:build(text))
      assert.same(expected, without_repeats(plan.tasks))
    end
  end)

  -- Gives what the second of two tasks with a body gets, and how it is told.
  local function both(body)
    local plan = assert(project:build(("tasks = { tg.task 'a' %s, tg.task 'b' %s }"):format(body,
      body)))
    local a, b = plan.tasks[1], plan.tasks[2]
    a.name, b.name = nil, nil
    assert.same(a, b)
    return b
  end

  it("that say the same are told the same", function()
    assert.same({ "x" }, both("{ run = print, tags = 'x' }").tags)
    assert.equal(3, both("{ run = print, retry = { attempts = 3, base = '2s' } }").retry.attempts)
    assert.same({ w = 2 }, both("{ run = print, pool = { w = 2 } }").pool)
    assert.equal("all_done", both("{ run = print, teardown = true }").when)
    assert.equal("always", both("{ run = print, when = 'always' }").when)
    assert.is_true(both("{ run = print, fallback = print }").fallback)
    assert.same({ line = 1 }, both("{ run = print, priority = 0, tags = {}, doc = '' }"))
    assert.same({ "n" }, both("{ run = print, reads = 'n', produces = { 'n' } }").produces)
  end)

  it("keep what they say when they stand in groups, branches and fallbacks", function()
    local plan = project:build [[
      local function one(name, more)
        local body = { run = print, retry = { attempts = 2 }, when = "all_done", tags = "x" }
        for field, value in pairs(more or {}) do body[field] = value end
        return tg.task(name)(body)
      end
      return tg.pipeline "test" { tasks = {
        one "first", one "chosen", one "owner", one "spare",
        tg.branch "b" { to = "chosen", decide = function() return "chosen" end },
        tg.task "last" { run = print, retry = { attempts = 2 }, when = "all_done", tags = "x",
          fallback = "spare" },
        tg.group "g" { after = "first", when = "always", tasks = { one "inner" } },
      } }]]
    for _, task in ipairs(plan.tasks) do
      if task.name ~= "b" then
        assert.equal(2, task.retry.attempts)
        assert.same({ "x" }, task.tags)
        assert.equal("all_done", task.when)
      end
    end
    assert.same({ 4 }, plan.tasks[2].after)
    assert.same({ 0 }, plan.tasks[7].after)
  end)

  it("that say the same wrong thing are all told of", function()
    for _, case in ipairs {
      { "pool = { w = 3 }", 'it takes 3 slots of the pool "w", which has 2: it could never start' },
      { 'tag = "x"', 'unknown field tag [did you mean "tags"?]' },
    } do
      local text = ([[
        local tasks = {}
        for i = 1, 2 do tasks[i] = tg.task("t" .. i) { run = print, %s } end
        return tg.pipeline "test" { pools = { w = 2 }, tasks = tasks }]]):format(case[1])
      local fault = 'pipelines/test.lua:2: task "t%d": ' .. case[2]:gsub("%%", "%%%%")
      assert.equal(fault:format(1) .. "\n" .. fault:format(2), project:faults(text))
    end
  end)

  it("can say things that contain themselves only by mistake", function()
    assert.truthy(project:faults([[
      local tags = { "x" }
      tags[2] = tags
      return tg.pipeline "test" { tasks = { tg.task "a" { run = print, tags = tags } } }]])
      :find("tags[2] must be a string, not a table", 1, true))
  end)

  it("can be many", function()
    local plan = project:build [[
      local tasks = {}
      for i = 1, 50000 do
        tasks[i] = tg.task("t" .. i) { after = i > 1 and "t" .. i - 1 or nil, run = print }
      end
      return tg.pipeline "test" { tasks = tasks }]]
    assert.equal(50000, #plan.tasks)
    assert.same({ name = "t50000", line = 3, after = { 49998 } }, plan.tasks[50000])
  end)

  local PIPELINE = 'local tg = require "tidegate" '

  for _, case in ipairs {
    { "a name that is not there", '{ after = "bb", run = print }', '{ run = print }',
      'pipelines/test.lua:1: task "a": after names "bb", which is not a task of this pipeline '
      .. '[did you mean "b"?]' },
    { "itself", '{ after = { "a" }, run = print }', "{ run = print }",
      'pipelines/test.lua:1: task "a": it cannot come after itself' },
    { "a circle", '{ after = "b", run = print }', '{ after = "a", run = print }',
      'pipelines/test.lua:1: task "a": the graph has a cycle: a -> b -> a' },
    { "a circle with an odd task", '{ after = "b", run = print }',
      '{ after = "a", run = print, tags = "x" }',
      'pipelines/test.lua:1: task "a": the graph has a cycle: a -> b -> a' },
    { "no function", "{ run = 7 }", "{ run = print }",
      'pipelines/test.lua:1: task "a": run must be a function, not 7' },
    { "a list with holes", '{ run = print, after = { "b", nil, "b" } }', "{ run = print }",
      'pipelines/test.lua:1: task "a": after[2] must be a string, not nothing' },
    { "a number", "{ run = print, after = { 1 } }", "{ run = print }",
      'pipelines/test.lua:1: task "a": after[1] must be a string, not 1' },
    { "no body", "", "{ run = print }",
      'pipelines/test.lua:1: task "a": has no body [tg.task "a" { ... }]' },
  } do
    it("cannot come after " .. case[1], function()
      assert.equal(case[4], project:faults(PIPELINE .. ('local a, b = tg.task "a" %s, '
        .. 'tg.task "b" %s return tg.pipeline "test" { tasks = { a, b } }'):format(
          case[2], case[3])))
    end)
  end

  it("have two bodies only by mistake", function()
    for _, second in ipairs { "{ run = print }", "{ run = print, tags = 'x' }" } do
      for _, first in ipairs { "{ run = print }", "{ run = print, tags = 'x' }" } do
        assert.equal('pipelines/test.lua:1: tg.task "a" has two bodies', project:faults(PIPELINE
          .. ('local a = tg.task "a" %s a(%s) return tg.pipeline "test" { tasks = { a } }'):format(
            first, second)))
      end
    end
  end)

  it("cannot be given a body, read or changed out of turn", function()
    project:build [[
      local a = tg.task "a" { run = function(ctx)
        return { select(2, pcall(ctx.params.x and print or tg_body)) }
      end }
      function tg_body() a { run = print } end
      assert(tostring(a) == 'tg.task "a"')
      local _, read = pcall(function() return a.run end)
      assert(read:find('tg.task "a" is only declared: it has no fields to read', 1, true), read)
      return tg.pipeline "test" { tasks = { a } }]]
    local value = project:run(0)
    assert.truthy(value[1]:find("what is declared cannot be called when the pipeline runs", 1, true))
  end)

  it("with metatables are read as Lua reads them", function()
    local plan = project:build [[
      local body = setmetatable({ run = print }, { __index = { after = "a" },
        __pairs = function() return pairs { run = print, after = "a" } end })
      return tg.pipeline "test" { tasks = { tg.task "a" { run = print }, tg.task "b" (body) } }]]
    assert.same({ 0 }, plan.tasks[2].after)
  end)

  it("know what comes before them, however far", function()
    project:build [[
      local tasks = {}
      for i = 1, 9 do
        tasks[i] = tg.task("t" .. i) { after = i > 1 and "t" .. i - 1 or nil, run = function(ctx)
          return ctx.output.t1
        end, tags = i % 2 == 0 and "x" or nil }
      end
      tasks[10] = tg.task "alone" { run = tasks.run or function(ctx) return ctx.output.t1 end }
      return tg.pipeline "test" { tasks = tasks }]]
    require("tidegate._native").output = function(name) return name .. " gave this" end
    assert.equal("t1 gave this", (project:run(8, { task = "t9" })))
    assert.error_matches(function() project:run(9, { task = "alone" }) end,
      '"t1" does not come before "alone"; add after = "t1"', nil, true)
    assert.error_matches(function() project:run(0, { task = "t1" }) end,
      '"t1" does not come before "t1"', nil, true)
  end)
end)
