-- SPDX-License-Identifier: Apache-2.0
local project_of = require "support.project"

describe("a durable step", function()
  local project, native, calls
  before_each(function()
    project, calls = project_of.new(), {}
    native = require "tidegate._native"
    native.begin(true)
    native.log = function(_, text) calls[#calls + 1] = text end
    native.sleep = function(ms) calls[#calls + 1] = ms end
  end)
  after_each(function() project:close() end)

  -- Runs a task; a further attempt of it finds what the ones before recorded.
  local function attempt(body, data)
    native.begin(false)
    assert(project:build(('tasks = { tg.task "t" { run = function(ctx) %s\nend } }'):format(body)))
    return project:run(0, data)
  end

  it("runs once, and gives later attempts what it gave", function()
    local body = [[
      local a = ctx:step("load", function() ctx:log("loads") return { rows = 3 } end)
      local b = ctx:step("mail", function() ctx:log("mails") return a.rows * 2 end)
      return a.rows + b ]]
    assert.equal(9, (attempt(body)))
    assert.equal(9, (attempt(body)))
    assert.same({ "loads", "mails" }, calls)
  end)

  it("that gave nothing gives nothing again", function()
    local body = 'return { ctx:step("a", function() ctx:log("a") end) == nil }'
    assert.same({ true }, (attempt(body)))
    assert.same({ true }, (attempt(body)))
    assert.same({ "a" }, calls)
  end)

  it("gives at once what it will give later", function()
    local body = [[
      local got = ctx:step("a", function() return { [1] = 1.0, [2] = { x = {} } } end)
      return { got[1], math.type(got[1]) } ]]
    local first = attempt(body)
    assert.same(first, (attempt(body)))
  end)

  it("is done again when it failed", function()
    local body = [[
      local value, err = ctx:step("a", function() ctx:log("a") return nil, { class = "transient" } end)
      return { value == nil, err and err.class } ]]
    assert.same({ true, "transient" }, (attempt(body)))
    assert.is_false(pcall(attempt, 'ctx:step("a", function() error("no") end)'))
    attempt(body)
    assert.same({ "a", "a" }, calls)
  end)

  it("may follow one that failed and was caught", function()
    assert.equal(2, (attempt [[
      pcall(function() ctx:step("a", function() error("no") end) end)
      return ctx:step("b", function() return 2 end) ]]))
  end)

  it("sleeps once", function()
    local body = 'ctx:sleep("1m") ctx:sleep("2s") return ctx:step("a", function() return 1 end)'
    assert.equal(1, (attempt(body)))
    assert.equal(1, (attempt(body)))
    assert.same({ 60000, 2000 }, calls)
  end)

  it("just waits for less than a second", function()
    local body = 'ctx:sleep("999ms") return ctx:step("a", function() return 1 end)'
    assert.equal(1, (attempt(body)))
    assert.equal(1, (attempt(body)))
    assert.same({ 999, 999 }, calls)
  end)

  it("is refused out of order", function()
    attempt 'ctx:step("a", function() end)'
    local ok, err = pcall(attempt, "\n local x = ctx:step('b', function() end)")
    assert.is_false(ok)
    assert.equal('pipelines/test.lua:2: ctx:step: step "b" was "a" in the first attempt',
      err.message)
    assert.equal("invalid", err.code)
  end)

  it("that the store cannot keep ends the attempt", function()
    native.step_end = function() return nil, { class = "transient", message = "no space left" } end
    local ok, err = pcall(attempt, "local x = ctx:step('a', function() end)")
    assert.is_false(ok)
    assert.truthy(err.message:find("ctx:step: no space left", 1, true))
    assert.equal("transient", err.class)
  end)

  local wrong = {
    { "twice under one name", [[
      local a = ctx:step("a", function() return 1 end)
      local b = ctx:step("a", function() return 2 end) ]],
      'test.lua:2: ctx:step: the name "a" was used at pipelines/test.lua:1 already' },
    { "inside of another", 'local a = ctx:step("a", function() local b = ctx:step("b", print) end)',
      'ctx:step: step "a" is not done yet, and a step is one piece' },
    { "as a sleep inside of another", 'local a = ctx:step("a", function() ctx:sleep("1s") end)',
      'ctx:sleep: step "a" is not done yet' },
    { "without a name", "ctx:step(print)", "ctx:step takes a name of 1 to 128 bytes, not a function" },
    { "without a function", 'ctx:step("a")', "ctx:step takes a name and a function, not nothing" },
    { "under the name of a sleep", 'ctx:step("sleep:1", print)', "is the name of a sleep" },
    { "with what is not plain", 'ctx:step("a", function() return { f = print } end)',
      'the result of step "a".f is a function, which is not plain data' },
    { "with what is no JSON", 'ctx:step("a", function() return { 0 / 0 } end)',
      'the result of step "a": ' },
  }
  for _, case in ipairs(wrong) do
    it("is refused " .. case[1], function()
      local ok, err = pcall(attempt, case[2])
      assert.is_false(ok)
      assert.truthy(tostring(err):find(case[3], 1, true), tostring(err))
    end)
  end

  it("that is called wrongly is not worth another try", function()
    local ok, err = pcall(attempt, "\n ctx:sleep(5) ")
    assert.is_false(ok)
    assert.same({ "invalid", "permanent" }, { err.code, err.class })
    assert.matches('^pipelines/test.lua:2: ctx:sleep takes .*, not 5$', tostring(err))
  end)

  it("in a tail call is told at its task, for its own line has left no trace", function()
    local ok, err = pcall(attempt, '\n\n return ctx:step("", print)')
    assert.is_false(ok)
    assert.matches("^pipelines/test.lua:1: ctx:step takes a name of", tostring(err))
  end)

  it("is refused where nothing is replayed, and a sleep there is a plain one", function()
    assert(project:build [[ tasks = { tg.map "m" { run = print,
      over = function(ctx) ctx:sleep("3s") ctx:step("a", print) end } } ]])
    local ok, err = pcall(project.run, project, 0, { phase = "over" })
    assert.is_false(ok)
    assert.truthy(err.message:find("ctx:step: `over` of a map has no steps", 1, true), err.message)
    assert.same({ 3000 }, calls)
  end)
end)
