-- SPDX-License-Identifier: Apache-2.0
local project_of = require "support.project"

describe("a wait", function()
  local project, native, asked, answer
  before_each(function()
    project, asked, answer = project_of.new(), {}, { value = 1 }
    native = require "tidegate._native"
    native.wait = function(name, what, timeout_ms)
      asked[#asked + 1] = { name = name, what = what, timeout_ms = timeout_ms }
      return answer
    end
  end)
  after_each(function() project:close() end)

  local function attempt(body, data)
    assert(project:build(('tasks = { tg.task "t" { run = function(ctx) %s\nend } }'):format(body)))
    return project:run(0, data)
  end

  it("for an event tells the host what is waited for", function()
    attempt [[ ctx:wait_event { type = "a" }
      ctx:wait_event { type = "b", source = "/s", subject = "x/*", match = { ["o.id"] = 7, ok = true },
        timeout = "2h", since = "run", name = "paid" } ]]
    assert.same({
      { name = "wait:1", what = { kind = "event", type = "a" }, timeout_ms = 0 },
      { name = "paid", timeout_ms = 7200000, what = { kind = "event", type = "b", source = "/s",
        subject = "x/*", match = { ["o.id"] = 7, ok = true }, since = "run" } },
    }, asked)
  end)

  it("for a person tells the host what is asked", function()
    attempt 'ctx:approve { message = "go?" } ctx:approve { message = "on?", by = "ada", name = "x" }'
    assert.same({ kind = "approval", message = "go?" }, asked[1].what)
    assert.same({ kind = "approval", message = "on?", by = { "ada" } }, asked[2].what)
    assert.same({ "wait:1", "x" }, { asked[1].name, asked[2].name })
  end)

  it("gives what came", function()
    answer = { value = { id = "1", data = { n = 2 } } }
    assert.equal(2, (attempt 'return ctx:wait_event({ type = "a" }).data.n'))
  end)

  it("gives nil and what went wrong", function()
    answer = { error = { code = "rejected", class = "permanent", message = "no" } }
    local value, err = attempt 'return ctx:wait_event { type = "a" }'
    assert.is_nil(value)
    assert.same({ code = "rejected", class = "permanent", message = "no" }, err)
    assert.equal("no", tostring(err))
  end)

  it("that was too long tells what it was for", function()
    answer = { error = { code = "timeout", class = "permanent", message = "late" } }
    local _, err = attempt 'return ctx:wait_event { type = "a", timeout = "5m" }'
    assert.same({ code = "timeout", class = "permanent",
      message = 'ctx:wait_event: no event "a" came within 5m' }, err)
    answer = { error = { code = "timeout", class = "permanent", message = "late" } }
    _, err = attempt 'return ctx:approve { message = "go?", timeout = "2h" }'
    assert.equal('ctx:approve: nobody answered "go?" within 2h', err.message)
  end)

  it("raises at its line what the host refuses", function()
    native.wait = function() return nil, { code = "invalid", class = "permanent", message = "no" } end
    local ok, err = pcall(attempt, '\n local x = ctx:approve { message = "go?" }')
    assert.is_false(ok)
    assert.equal("pipelines/test.lua:2: ctx:approve: no", err.message)
    assert.equal("invalid", err.code)
  end)

  local wrong = {
    { "nothing", "ctx:wait_event()", "ctx:wait_event: takes a table, not nothing" },
    { "no type", "ctx:wait_event {}", "needs type: { type = " },
    { "no message", "ctx:approve {}", "needs message: { message = " },
    { "an unknown field", 'ctx:wait_event { typ = "a" }', 'has no field "typ"; did you mean "type"?' },
    { "an empty type", 'ctx:wait_event { type = "" }', "type must be a text" },
    { "no duration", 'ctx:wait_event { type = "a", timeout = 5 }', "timeout must be a number with" },
    { "no time", 'ctx:wait_event { type = "a", timeout = "0s" }', "timeout must be a number with" },
    { "another since", 'ctx:wait_event { type = "a", since = "ever" }', 'since must be "step"' },
    { "a match that is a text", 'ctx:wait_event { type = "a", match = "x" }', "match must be a table" },
    { "a match with a list", 'ctx:wait_event { type = "a", match = { a = {} } }',
      'match compares "a" with a table' },
    { "a match without names", 'ctx:wait_event { type = "a", match = { 1 } }', "match must be a table" },
    { "nobody", 'ctx:approve { message = "x", by = {} }', "by must be a list of names" },
    { "a number for a person", 'ctx:approve { message = "x", by = { 1 } }', "by must be a list" },
    { "the name of a sleep", 'ctx:approve { message = "x", name = "sleep:1" }',
      'name "sleep:1" is the name of a sleep' },
    { "a name twice", [[local a = ctx:approve { message = "x", name = "n" }
      local b = ctx:wait_event { type = "a", name = "n" } ]],
      'test.lua:2: ctx:wait_event: the name "n" was used at pipelines/test.lua:1 already' },
    { "no colon", 'ctx.approve { message = "x" }', "it is called with a colon: ctx:approve(...)" },
    { "a step around it", 'ctx:step("a", function() ctx:approve { message = "x" } end)',
      'ctx:approve: step "a" is not done yet' },
  }
  for _, case in ipairs(wrong) do
    it("is refused with " .. case[1], function()
      local ok, err = pcall(attempt, case[2])
      assert.is_false(ok)
      assert.truthy(tostring(err):find(case[3], 1, true), tostring(err))
    end)
  end

  it("is refused where nothing is replayed", function()
    assert(project:build [[ tasks = { tg.task "t" { run = print,
      fallback = function(ctx) ctx:approve { message = "x" } end } } ]])
    local ok, err = pcall(project.run, project, 0, { phase = "fallback", error = { message = "x" } })
    assert.is_false(ok)
    assert.truthy(tostring(err):find("ctx:approve: a fallback has no steps", 1, true), tostring(err))
  end)
end)
