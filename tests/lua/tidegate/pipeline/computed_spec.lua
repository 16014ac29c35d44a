-- SPDX-License-Identifier: Apache-2.0
-- Parameters that are a function of others, as the host asks for them when it makes a run.
local project_of = require "support.project"

local RUN = { logical_date = "2026-11-20T05:00:00.000Z", interval = { start = "a", ["end"] = "b" } }

describe("worker.compute", function()
  local project
  before_each(function() project = project_of.new {} end)
  after_each(function() project:close() end)

  local function compute(params, given)
    local plan, faults = project:build("params = {" .. params .. "}, tasks = { tg.task 'a' { run = print } }")
    assert(plan, faults and faults[1] and faults[1].message)
    local ok, result = pcall(project.worker.compute, { params = given or {}, run = RUN })
    return ok and result or nil, not ok and (result.message or result) or nil, plan
  end

  it("computes in the order in which they look at one another", function()
    local values, err, plan = compute([[
      a = tg.string { default = function(p) return p.b .. "!" end },
      b = tg.string { default = function(p, run) return p.c .. run.interval["end"] end },
      c = tg.string {}, ]], { c = "x" })
    assert.is_nil(err)
    assert.same({ a = "xb!", b = "xb" }, values)
    assert.same({ "computed", false }, { plan.params[1].default_is, plan.params[1].required })
    assert.is_nil(plan.params[1].default)
  end)

  it("computes nothing that was given, and each only once", function()
    assert.same({ b = 3, c = 4 }, (compute([[
      a = tg.int { default = function() error "not asked for" end },
      b = tg.int { default = function(p) n = (n or 0) + 1 return p.a + n end },
      c = tg.int { default = function(p) return p.b + 1 end }, ]], { a = 2 })))
  end)

  it("gives each function lists of its own", function()
    assert.same({ b = { 9 }, c = { 1 } }, (compute([[
      a = tg.list { of = tg.int {} },
      b = tg.list { of = tg.int {}, default = function(p) local l = p.a l[1] = 9 return l end },
      c = tg.list { of = tg.int {}, default = function(p) return p.a end }, ]], { a = { 1 } })))
  end)

  it("says what is wrong, and with which parameter", function()
    for _, case in ipairs {
      { "a = tg.int { default = function(p) return p.b end }, b = tg.int { default = function(p) return p.c end }, "
        .. "c = tg.int { default = function(p) return p.b end }", "need each other: b %-> c %-> b" },
      { "a = tg.int { default = function(p) return p.a end }", "need each other: a %-> a" },
      { "a = tg.int { default = function() return 'x' end }", '"a" must be an integer, not "x"' },
      { "a = tg.int { max = 3, default = function() return 4 end }", '"a" must be an integer of at most 3' },
      { "a = tg.int { default = function() end }", '"a" was computed to nothing' },
      { "a = tg.int { default = function() return nil, 'no such day' end }", '"a" cannot be computed: no such day' },
      { "a = tg.int { default = function() error { code = 'x', message = 'own' } end }", '"a" cannot be computed: own' },
      { "a = tg.int { default = function(p) return p.dya end }, day = tg.date { default = '2026-01-01' }",
        'test.lua:1: there is no parameter "dya"; did you mean "day"?' },
      { "a = tg.int { default = function(p) p.b = 1 end }", "cannot be changed" },
    } do
      local values, err = compute(case[1])
      assert.is_nil(values, case[1])
      assert.matches(case[2], err)
    end
  end)

  it("checks what was given as the tasks would", function()
    local _, err = compute([[ a = tg.string { pattern = "%u+" } ]], { a = "x" })
    assert.matches('"a" must be a string like "%u+", not "x"', err, 1, true)
  end)

  it("is nothing for the inputs of policies", function()
    local chunk = assert(load([[ local tg = require "tidegate" return {
      input = { n = tg.int { default = function() return 1 end } },
      decide = function() return { action = "a" } end } ]], "@p.lua"))
    local _, faults = project.worker.policy(chunk(), "pipelines/policies/p.lua")
    assert.matches("default must be a value here", faults[1].message)
  end)
end)
