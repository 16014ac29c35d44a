-- SPDX-License-Identifier: Apache-2.0
-- What parameters may say of themselves.
local project_of = require "support.project"

describe("a parameter", function()
  local project
  before_each(function() project = project_of.new() end)
  after_each(function() project:close() end)

  local function with(type)
    return ([[ params = { p = %s }, tasks = { tg.task "a" { run = print } } ]]):format(type)
  end

  local function baked(type)
    return assert(project:build(with(type))).params[1]
  end

  local function assert_fault(type, expected)
    local faults = project:faults(with(type))
    assert.truthy(faults:find(expected, 1, true), faults == "" and "there is no fault" or faults)
  end

  it("is required without a default, and may say so", function()
    assert.is_true(baked("tg.int {}").required)
    assert.is_true(baked("tg.int { required = true }").required)
    assert.is_false(baked("tg.int { default = 1 }").required)
    assert.is_false(baked("tg.int { default = 1, required = false }").required)
    assert.is_false(baked("tg.int { default = function() return 1 end }").required)
    assert_fault("tg.int { required = true, default = 1 }",
      "it has a default, so it is never missing [leave out required, or the default]")
    assert_fault("tg.int { required = false }", "a parameter that need not be given needs a default")
    assert_fault("tg.int { optional = true }", "a parameter that need not be given needs a default")
    assert_fault("tg.int { optional = true, required = true }", "either required or optional")
    assert_fault("tg.int { required = 1 }", "required must be true or false, not 1")
  end)

  it("that is a list is one of strings, if it does not say of what", function()
    local list = baked('tg.list { default = { "a" } }')
    assert.same({ "string", { "a" } }, { list.items, list.default })
    assert.equal("int", baked("tg.list { of = tg.int {}, default = { 1 } }").items)
    assert_fault("tg.list { default = { 1 } }", "default must be a list, each a string")
    assert_fault("tg.list { of = 1 }", "of must be a type such as tg.string {}, not 1")
  end)

  it("has a pattern for the whole string, with its anchors or without", function()
    for _, pattern in ipairs { "a+", "^a+", "a+$", "^a+$" } do
      assert.equal("aa", baked(('tg.string { pattern = %q, default = "aa" }'):format(pattern)).default)
      assert_fault(('tg.string { pattern = %q, default = "aab" }'):format(pattern), "default must be")
    end
    assert.equal("a$", baked('tg.string { pattern = "a%$", default = "a$" }').default)
    assert.equal("a%", baked('tg.string { pattern = "a%%$", default = "a%" }').default)
    assert_fault('tg.string { pattern = "a%$", default = "a" }', "default must be")
  end)

  it("of a pipeline with a schedule has a default", function()
    local function on(schedule, type)
      return project:faults(('on = { %s },%s'):format(schedule, with(type)))
    end
    assert.equal('pipelines/test.lua:1: tg.cron starts runs that nobody gives "p" to '
      .. "[give the parameter p a default]", on('tg.cron "0 5 * * *"', "tg.int {}"))
    assert.equal("", on('tg.cron "0 5 * * *"', "tg.int { default = 1 }"))
    assert.equal("", on('tg.cron "0 5 * * *"', "tg.date { default = tg.logical_date }"))
    assert.equal("", on('tg.cron "0 5 * * *"', "tg.int { default = function() return 1 end }"))
    assert.equal("", on('tg.event { type = "t" }', "tg.int {}"))
  end)
end)
