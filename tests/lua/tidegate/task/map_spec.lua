-- SPDX-License-Identifier: Apache-2.0
local project_of = require "support.project"

describe("tg.map", function()
  local project, json
  before_each(function()
    project = project_of.new()
    json = require "tidegate.json"
  end)
  after_each(function() project:close() end)

  local function build(fields)
    return project:build(('tasks = { tg.map "m" { run = print, %s } }'):format(fields))
  end

  local function items_of(over, fields)
    assert(build(("over = function(ctx) %s end, %s"):format(over, fields or "")))
    return project:run(0, { phase = "over" })
  end

  it("tells the host how to run it", function()
    local plan = assert(build "over = print")
    assert.same({ order = "breadth", items_max = 100000 }, plan.tasks[1].map)
    plan = assert(build [[ over = print, limit = 8, key = print, limit_per_key = 2,
      fail_after = "2.5%", items_max = 10 ]])
    assert.same({ order = "breadth", limit = 8, limit_per_key = 2, fail_share = 0.025,
      items_max = 10 }, plan.tasks[1].map)
    assert.equal(7, build("over = print, fail_after = 7").tasks[1].map.fail_after)
  end)

  it("comes after the map that it is over", function()
    local plan = assert(project:build [[ tasks = {
      tg.map "a" { over = print, run = print },
      tg.map "b" { over = "a", order = "depth", run = print },
      tg.map "c" { over = "b", after = { "a", "b" }, run = print } } ]])
    assert.same({ { 0 }, { 0, 1 } }, { plan.tasks[2].after, plan.tasks[3].after })
    assert.same({ 0, 1, "depth" },
      { plan.tasks[2].map.over, plan.tasks[3].map.over, plan.tasks[2].map.order })
  end)

  it("gives its items as a list", function()
    assert.same({ items = { 1, "b", { c = 3 } } }, (items_of 'return { 1, "b", { c = 3 } }'))
    assert.equal('{"items":[]}', json.encode((items_of "return {}")))
    assert.same({ items = { json.null, 2 } },
      (items_of 'return { require("tidegate.json").null, 2 }'))
  end)

  it("gives the key of each item", function()
    local value = items_of('return { { r = "EU" }, { r = 7 } }',
      "limit_per_key = 1, key = function(_, item) return item.r end")
    assert.same({ items = { { r = "EU" }, { r = 7 } }, keys = { "EU", "7" } }, value)
  end)

  local refused = {
    { "what is no list", "return 5", "", 'over of map "m" must give a list, not 5' },
    { "nothing", "", "", "must give a list, not nothing" },
    { "a table with fields", "return { 1, a = 2 }", "", 'it has a field "a"' },
    { "more items than its cap", "return { 1, 2, 3 }", "items_max = 2",
      'map "m" has 3 items, more than its items_max of 2' },
    { "an item without a key", "return { 1, 2 }",
      "limit_per_key = 1, key = function(_, item) if item == 1 then return 'a' end end",
      'key of map "m" must give a string for item 2, not nothing' },
  }
  for _, case in ipairs(refused) do
    it("fails on " .. case[1], function()
      local value, err = items_of(case[2], case[3])
      assert.is_nil(value)
      assert.truthy(err.message:find(case[4], 1, true), err.message)
      assert.equal("permanent", err.class)
    end)
  end

  it("passes on an error of its list", function()
    local _, err = items_of 'return nil, { class = "transient", message = "later" }'
    assert.equal("later", err.message)
    assert.error_matches(function() items_of "return { print }" end,
      "the list of items.1 is a function", nil, true)
  end)

  it("runs an item, which it is given", function()
    assert(project:build [[ tasks = { tg.map "m" { over = print, run = function(ctx, item)
      return { item, ctx.item, ctx.index, ctx.key }
    end } } ]])
    assert.same({ "EU", "EU", 3, "k" },
      (project:run(0, { phase = "item", item = "EU", index = 2, key = "k" })))
  end)

  it("runs an item that is null", function()
    assert(project:build [[ tasks = { tg.map "m" { over = print, run = function(ctx, item)
      return { ctx.item == nil and item == nil, ctx.index }
    end } } ]])
    assert.same({ true, 1 }, (project:run(0, { phase = "item", item = json.null, index = 0 })))
  end)

  it("shows its fallback the item that failed", function()
    assert(project:build [[ tasks = { tg.map "m" { over = print, run = print,
      fallback = function(ctx, err) return { ctx.item, ctx.index, err.code } end } } ]])
    assert.same({ "EU", 1, "http" }, (project:run(0,
      { phase = "fallback", item = "EU", index = 0, error = { code = "http" } })))
  end)

  local wrong = {
    { "no items", "", "over is missing" },
    { "a list that is known already", "over = { 1 }",
      "over must be a function or the name of a map, not a table" },
    { "a limit of none", "over = print, limit = 0", "limit must be an integer from 1" },
    { "a limit per key without a key", "over = print, limit_per_key = 2",
      "limit_per_key needs a key" },
    { "a key without a limit", "over = print, key = print", "key needs limit_per_key" },
    { "a key for what it does not list", 'over = "x", key = print, limit_per_key = 1',
      "key needs over to be a function" },
    { "depth without a map before", 'over = print, order = "depth"',
      'order = "depth" needs over to be the name of a map [over = "fetch"]' },
    { "a wrong order", 'over = print, order = "dept"', '[did you mean "depth"?]' },
    { "no failures", "over = print, fail_after = 0",
      'fail_after must be a number of items or a share of them, not 0 [fail_after = 10, or' },
    { "a share beyond all", 'over = print, fail_after = "101%"', 'not "101%"' },
    { "a share without its sign", "over = print, fail_after = 0.1", "not 0.1" },
    { "a cap of none", "over = print, items_max = 0", "items_max must be an integer from 1" },
    { "itself", 'over = "m"', "it cannot come after itself" },
  }
  for _, case in ipairs(wrong) do
    it("refuses " .. case[1], function()
      local faults = project:faults(('tasks = { tg.map "m" { run = print, %s } }'):format(case[2]))
      assert.truthy(faults:find(case[3], 1, true), faults == "" and "there is no fault" or faults)
    end)
  end

  it("refuses to be over what is no map, and names the nearest", function()
    local faults = project:faults [[ tasks = {
      tg.task "fetched" { run = print }, tg.map "fetch" { over = print, run = print },
      tg.map "m" { over = "fetched", run = print } } ]]
    assert.equal('pipelines/test.lua:3: map "m": over names "fetched", which is no map of this '
      .. 'pipeline [did you mean "fetch"?]', faults)
  end)
end)
