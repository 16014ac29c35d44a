-- SPDX-License-Identifier: Apache-2.0
local project_of = require "support.project"

describe("a branch", function()
  local project
  before_each(function()
    project = project_of.new {
      ["pipelines/policies/size.lua"] = [[
        local tg = require "tidegate"
        return {
          input = { output = { load = { rows = tg.int {} } } },
          decide = function(input)
            return { action = input.output.load.rows > 5 and "heavy" or "light", reason = "size" }
          end,
        }]],
    }
  end)
  after_each(function() project:close() end)

  local function decide(expression, data)
    assert(project:build(([[ tasks = {
      tg.task "load" { run = print },
      tg.branch "b" { after = "load", to = { "heavy", "light" }, %s },
      tg.task "heavy" { run = print }, tg.task "light" { run = print },
    } ]]):format(expression)))
    return project:run(1, data)
  end

  it("goes on with the name or the names that its function gives", function()
    local value, facts = decide 'decide = function() return "light" end'
    assert.same({ "light" }, value.chosen)
    assert.same({ "light" }, facts.chosen)
    facts = select(2, decide 'decide = function() return { "light", "heavy", "light" } end')
    assert.same({ "light", "heavy" }, facts.chosen)
  end)

  it("may choose nothing", function()
    local _, facts = decide "decide = function() return {} end"
    assert.equal("[]", require("tidegate.json").encode(facts.chosen))
  end)

  it("fails on what it cannot go on with, and names what it can", function()
    local value, err = decide 'decide = function() return "lihgt" end'
    assert.is_nil(value)
    assert.equal('branch "b" decided for "lihgt"; it can go on with: heavy, light; '
      .. 'did you mean "light"?', err.message)
    assert.equal("permanent", err.class)
    assert.is_nil((decide "decide = function() end"))
    assert.is_nil((decide "decide = function() return 5 end"))
  end)

  it("passes on an error of its function", function()
    local _, err = decide 'decide = function() return nil, { class = "transient" } end'
    assert.equal("transient", err.class)
  end)

  it("asks a policy, which sees the outputs before it", function()
    local value, facts = decide('decide = tg.policy "size"', { output = { load = { rows = 9 } } })
    assert.same({ "heavy" }, facts.chosen)
    assert.same({ "size", "heavy", "size" }, { value.policy, value.action, value.reason })
  end)

  it("shows a policy what `input` gives", function()
    local _, facts = decide([[ decide = tg.policy "size",
      input = function(ctx) return { output = { load = { rows = ctx.output.load } } } end ]],
      { output = { load = 3 } })
    assert.same({ "light" }, facts.chosen)
  end)
end)
