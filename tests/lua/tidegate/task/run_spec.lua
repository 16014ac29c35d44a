-- SPDX-License-Identifier: Apache-2.0
local project_of = require "support.project"

describe("tg.run", function()
  local project, asked, answer
  before_each(function()
    project, asked, answer = project_of.new(), {}, { run = "0190", state = "success", outputs = {} }
    require("tidegate._native").child = function(...)
      asked[#asked + 1] = { ... }
      if answer.class then return nil, answer end
      return answer
    end
  end)
  after_each(function() project:close() end)

  local function run(fields, data)
    assert(project:build(('tasks = { tg.run "c" { pipeline = "other", %s } }'):format(fields)))
    return project:run(0, data)
  end

  it("asks for the child with its parameters and gives what became of it", function()
    answer.outputs = { last = 3 }
    assert.same({ run = "0190", state = "success", outputs = { last = 3 } },
      (run 'params = { region = "EU", sizes = { 1, 2 } }'))
    assert.same({ { "other", { region = "EU", sizes = { 1, 2 } }, { wait = true } } }, asked)
  end)

  it("works its parameters out when it runs", function()
    run("params = function(ctx) return { day = ctx.params.day } end",
      { params = { day = "2026-11-20" } })
    assert.same({ day = "2026-11-20" }, asked[1][2])
  end)

  it("fails with a child that did not succeed", function()
    answer.state = "failed"
    local value, err = run ""
    assert.is_nil(value)
    assert.equal('run 0190 of pipeline "other" ended failed', err.message)
    assert.equal("permanent", err.class)
  end)

  it("does not wait when it need not", function()
    answer.state = "running"
    assert.equal("running", (run "wait = false").state)
    assert.same({ wait = false }, asked[1][3])
  end)

  it("passes on what the host says", function()
    answer = { class = "permanent", message = "there is no pipeline 'other'" }
    local _, err = run ""
    assert.equal("there is no pipeline 'other'", err.message)
  end)

  it("fails on parameters that are none", function()
    local _, err = run "params = function() return 5 end"
    assert.equal('params of "c" must give a table, not 5', err.message)
    _, err = run 'params = function() return nil, { class = "transient" } end'
    assert.equal("transient", err.class)
    assert.same({}, asked)
  end)

  it("names its child in the plan", function()
    local plan = assert(project:build 'tasks = { tg.run "c" { pipeline = "other" } }')
    assert.equal("other", plan.tasks[1].pipeline)
  end)

  local wrong = {
    { "no pipeline", "", "pipeline is missing" },
    { "a bad name", 'pipeline = "A"', 'pipeline must be a name, not "A"' },
    { "itself", 'pipeline = "test"', 'it would start "test", the pipeline it is in, without end' },
    { "parameters in a string", 'pipeline = "x", params = "a=b"', "params must be a table or a f" },
    { "parameters in a list", 'pipeline = "x", params = { 1 }', "the name of params.1 must be" },
    { "a parameter that is not plain", 'pipeline = "x", params = { a = print }',
      "params.a is a function, which is not plain data" },
    { "a wrong field", 'pipeline = "x", wiat = true', 'unknown field wiat [did you mean "wait"?]' },
  }
  for _, case in ipairs(wrong) do
    it("refuses " .. case[1], function()
      local faults = project:faults(('tasks = { tg.run "c" { %s } }'):format(case[2]))
      assert.truthy(faults:find(case[3], 1, true), faults == "" and "there is no fault" or faults)
    end)
  end
end)
