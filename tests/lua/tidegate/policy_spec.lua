-- SPDX-License-Identifier: Apache-2.0
local project_of = require "support.project"

describe("a policy", function()
  local project
  before_each(function() project = project_of.new() end)
  after_each(function() project:close() end)

  local function load_policy(text)
    local chunk = assert(load('local tg = require "tidegate" ' .. text, "@pipelines/policies/p.lua"))
    return project.worker.policy(chunk(), "pipelines/policies/p.lua")
  end

  local VOLUME = [[ return {
    doc = "By volume",
    input = {
      rows = tg.int { min = 0 },
      late = tg.bool { optional = true },
      limit = tg.int { default = 100 },
      params = { region = tg.enum { "US", "EU" } },
      event = { subject = tg.string {}, optional = true },
    },
    decide = function(input)
      input.params.region = "US"
      if input.rows > input.limit then
        return { action = "heavy", reason = "many rows", rows = input.rows }
      end
      return { action = { "light", "small" } }
    end,
    test = {
      { given = { rows = 200, params = { region = "EU" } }, expect = { action = "heavy" } },
      { given = { rows = 2, params = { region = "EU" } }, expect = { action = { "light" } } },
    },
  } ]]

  it("tells its form", function()
    local told = assert(load_policy(VOLUME))
    assert.same({ "By volume", "branch", 2 }, { told.doc, told.kind, told.tests })
    assert.equal("int", told.input.rows.type)
    assert.same({ "US", "EU" }, told.input.params.fields.region.values)
    assert.is_false(told.input.event.required)
  end)

  it("decides on what its form takes of an input", function()
    assert(load_policy(VOLUME))
    local given = { rows = 200, params = { region = "EU", other = 1 }, run = "x" }
    assert.same({ action = "heavy", reason = "many rows", rows = 200 }, project.worker.decide(given))
    assert.equal("EU", given.params.region)
    given.limit = 1000
    assert.same({ action = { "light", "small" } }, project.worker.decide(given))
  end)

  it("refuses an input that is not of its form", function()
    assert(load_policy(VOLUME))
    for _, case in ipairs {
      { { rows = "2", params = { region = "EU" } },
        'input.rows must be an integer of at least 0, not "2"' },
      { { rows = 1, params = { region = "EV" } }, "input.params.region must be one of US, EU" },
      { { rows = 1 }, "input.params must be a table, not nothing" },
      { { params = { region = "EU" } }, "input.rows is missing" },
      { { rows = 1, params = { region = "EU" }, event = {} }, "input.event.subject is missing" },
    } do
      assert.error_matches(function() project.worker.decide(case[1]) end, case[2], nil, true)
    end
  end)

  it("does not come into force if it fails its own tests", function()
    local _, found = load_policy [[ return {
      input = { rows = tg.int {} },
      decide = function(input) return { action = input.rows > 1 and "heavy" or "light" } end,
      test = {
        { given = { rows = 2 }, expect = { action = "heavy" } },
        { name = "few", given = { rows = 1 }, expect = { action = "heavy" } },
        { given = { rows = "x" }, expect = { action = "light" } },
      },
    } ]]
    assert.equal(2, #found)
    assert.equal('test 2 (few) expects {"action":"heavy"} and gets {"action":"light"}',
      found[1].message)
    assert.truthy(found[2].message:find("input.rows must be an integer", 1, true))
  end)

  it("refuses an answer without an action", function()
    for _, answer in ipairs { '"x"', "{}", "{ action = 5 }", "{ action = 'a', reason = 5 }", "nil",
      "{ action = 'a', f = print }" } do
      assert(load_policy("return { input = {}, decide = function() return " .. answer .. " end }"))
      assert.has_error(function() project.worker.decide {} end)
      project:close()
      project = project_of.new()
    end
  end)

  local cases = {
    { "return 5", "the file must return a policy, it returned 5" },
    { "return { input = {} }", "decide is missing" },
    { "return { input = {}, decide = 5 }", "decide must be a function, not 5" },
    { "return { input = { rows = 5 }, decide = print }", "input.rows: must be a type" },
    { "return { input = {}, decide = print, tests = {} }", 'did you mean "test"?' },
    { "return { input = {}, decide = print, test = { { given = {} } } }",
      "test[1].expect is missing" },
    { "return { input = { a = tg.strin {} }, decide = print }", "tg.strin is not a word" },
    { "return { input = {}, kind = 'brunch', decide = print }", 'did you mean "branch"?' },
  }
  for _, case in ipairs(cases) do
    it("that is " .. case[1] .. " is refused", function()
      local told, faults = load_policy(case[1])
      assert.is_nil(told)
      local text = faults[1].message .. " " .. (faults[1].hint or "")
      assert.truthy(text:find(case[2], 1, true), text)
    end)
  end
end)
