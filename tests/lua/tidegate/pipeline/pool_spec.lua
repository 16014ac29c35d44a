-- SPDX-License-Identifier: Apache-2.0
local project_of = require "support.project"

describe("a pool", function()
  local project
  before_each(function() project = project_of.new() end)
  after_each(function() project:close() end)

  local function with(pool)
    return ([[ pools = { warehouse = 4, api = 1 },
      tasks = { tg.task "a" { run = print, pool = %s } } ]]):format(pool)
  end

  it("gives a task one slot by its name, or more", function()
    local plan = assert(project:build(with '"api"'))
    assert.same({ { warehouse = 4, api = 1 }, { api = 1 } }, { plan.pools, plan.tasks[1].pool })
    plan = assert(project:build(with "{ warehouse = 4, api = 1 }"))
    assert.same({ warehouse = 4, api = 1 }, plan.tasks[1].pool)
  end)

  local wrong = {
    { "a task that can never fit", "{ warehouse = 5 }",
      'task "a": it takes 5 slots of the pool "warehouse", which has 4: it could never start' },
    { "no slots", "{ api = 0 }", "pool.api must be an integer from 1 to 1000000, not 0" },
    { "half a slot", "{ api = 0.5 }", "pool.api must be an integer" },
    { "a list", '{ "api" }', "the name of pool.1 must be a name, not 1" },
    { "a number", "4", "pool must be a table, not 4 [{ warehouse = 4 }]" },
  }
  for _, case in ipairs(wrong) do
    it("refuses " .. case[1], function()
      local faults = project:faults(with(case[2]))
      assert.truthy(faults:find(case[3], 1, true), faults == "" and "there is no fault" or faults)
    end)
  end

  it("that the pipeline has not is left to the host, which knows the project's", function()
    local plan = assert(project:build 'tasks = { tg.task "a" { run = print, pool = "x" } }')
    assert.same({ x = 1 }, plan.tasks[1].pool)
  end)
end)
