-- SPDX-License-Identifier: Apache-2.0
local dag = require "tidegate.dag"

local diamond = {
  extract = {},
  left = { "extract" },
  right = { "extract" },
  load = { "left", "right" },
}

local function place_of(list)
  local places = {}
  for i, name in ipairs(list) do places[name] = i end
  return places
end

describe("dag.new", function()
  it("orders each task after what it waits for", function()
    local g = assert(dag.new(diamond))
    assert.equal(4, #g)
    assert.same({ "extract", "left", "right", "load" }, g:order())
  end)

  it("takes a list of tasks and keeps its order", function()
    local g = assert(dag.new {
      { name = "z" },
      { name = "a", after = "z" },
      { name = "y", after = { "z" } },
    })
    assert.same({ "z", "a", "y" }, g:order())
  end)

  it("does not show the order of a Lua table", function()
    local tasks = {}
    for i = 1, 100 do tasks[("t%03d"):format(i)] = {} end
    local order = dag.new(tasks):order()
    local sorted = { table.unpack(order) }
    table.sort(sorted)
    assert.same(sorted, order)
  end)

  it("is fine with nothing in it", function()
    local g = assert(dag.new {})
    assert.equal(0, #g)
    assert.same({}, g:order())
    assert.same({}, g:levels())
    assert.same({}, g:ready {})
    assert.same({ {}, 0 }, { g:critical_path() })
  end)

  it("names a cycle by its path", function()
    local g, err = dag.new { a = { "c" }, b = { "a" }, c = { "b" }, d = { "c" } }
    assert.is_nil(g)
    assert.equal("invalid", err.code)
    assert.equal("permanent", err.class)
    assert.equal("the graph has a cycle: a -> b -> c -> a", err.message)
    assert.equal(err.message, tostring(err))
  end)

  it("calls a task that waits for itself a cycle", function()
    local _, err = dag.new { a = { "a" } }
    assert.equal("the graph has a cycle: a -> a", err.message)
  end)

  it("shows a long cycle without its middle", function()
    local tasks = {}
    for i = 1, 1000 do tasks[i] = { name = "t" .. i, after = "t" .. (i - 2) % 1000 + 1 } end
    local _, err = dag.new(tasks)
    assert.equal("the graph has a cycle: t1 -> t2 -> t3 -> t4 -> t5 -> t6 -> (988 more)"
      .. " -> t995 -> t996 -> t997 -> t998 -> t999 -> t1000 -> t1", err.message)
  end)

  it("keeps the message of a cycle of long names within bounds", function()
    local tasks = {}
    local long = ("x"):rep(500)
    for i = 1, 20 do tasks[i] = { name = long .. i, after = long .. i % 20 + 1 } end
    local _, err = dag.new(tasks)
    assert.is_true(#err.message < 1024)
    assert.matches("^the graph has a cycle: xxx", err.message)
  end)

  it("names the nearest task for an upstream that is not there", function()
    local _, err = dag.new { extract = {}, load = { "extrct" } }
    assert.equal("invalid", err.code)
    assert.equal("'load' is after 'extrct', which is not in the graph; did you mean 'extract'?",
      err.message)
    _, err = dag.new { extract = {}, load = { "something else" } }
    assert.equal("'load' is after 'something else', which is not in the graph", err.message)
  end)

  it("refuses two tasks of one name", function()
    local _, err = dag.new { { name = "a" }, { name = "b" }, { name = "a" } }
    assert.equal("invalid", err.code)
    assert.equal("two tasks are named 'a'", err.message)
  end)

  it("raises for a table of another shape", function()
    local wrong = {
      ["table expected"] = "a",
      ["after a number"] = { a = 5 },
      ["after a list of names, not after a boolean"] = { a = { true } },
      ["must be a list of names"] = { a = { after = { "b" } }, b = {} },
      ["both places and names"] = { { name = "a" }, b = {} },
      ["name must be a string"] = { [true] = {} },
      ["entry 1 must be a table"] = { "a", "b" },
      ["name of entry 2"] = { { name = "a" }, { nam = "b" } },
    }
    for message, tasks in pairs(wrong) do
      local ok, err = pcall(dag.new, tasks)
      assert.is_false(ok)
      assert.truthy(err:find(message, 1, true), err)
    end
  end)

  it("calls no metamethods", function()
    local bomb = setmetatable({}, { __index = error, __len = error, __pairs = error })
    assert.equal(1, #dag.new { a = bomb })
  end)
end)

describe("a graph", function()
  local g = dag.new(diamond)

  it("says what is ready", function()
    assert.same({ "extract" }, g:ready())
    assert.same({ "left", "right" }, g:ready { extract = true })
    assert.same({ "right" }, g:ready { extract = true, left = true, right = false })
    assert.same({}, g:ready { extract = true, left = true, right = true, load = true })
  end)

  it("raises for a name that is not in it", function()
    assert.error_matches(function() g:ready { extrac = true } end,
      "'extrac' is not in the graph; did you mean 'extract'%?")
    assert.error_matches(function() g:upstream("zzzzzz") end, "'zzzzzz' is not in the graph$")
    assert.error_matches(function() g:upstream() end, "'nil' is not in the graph$")
    assert.error_matches(function() g:upstream(1) end, "'1' is not in the graph")
  end)

  it("has levels", function()
    assert.same({ { "extract" }, { "left", "right" }, { "load" } }, g:levels())
  end)

  it("knows the neighbours of a node and those beyond", function()
    assert.same({ "left", "right" }, g:upstream("load"))
    assert.same({ "left", "right" }, g:downstream("extract"))
    assert.same({ "extract", "left", "right" }, g:ancestors("load"))
    assert.same({ "load" }, g:descendants("left"))
    assert.same({}, g:ancestors("extract"))
  end)

  it("has a critical path", function()
    local path, total = g:critical_path { extract = 10, left = 5, right = 50, load = 1 }
    assert.same({ "extract", "right", "load" }, path)
    assert.equal(61, total)
    path, total = g:critical_path()
    assert.same({ "extract", "left", "load" }, path)
    assert.equal(3, total)
  end)

  it("raises for a weight that is no whole number", function()
    for _, weight in ipairs { -1, 1.5, "1" } do
      assert.error_matches(function() g:critical_path { left = weight } end,
        "whole number, not negative")
    end
  end)

  it("cannot be taken apart", function()
    assert.equal("dag(4 nodes, 4 edges)", tostring(g))
    assert.is_false(getmetatable(g))
    assert.is_false(pcall(function() g.order = nil end))
    assert.is_false(pcall(g.order, {}))
    assert.is_nil(g.__gc)
  end)
end)

describe("dag.from_edges", function()
  it("takes nodes by number", function()
    local g = assert(dag.from_edges(4, { 1, 2, 1, 3, 2, 4, 3, 4, 3, 4 }))
    assert.same({ 1, 2, 3, 4 }, g:order())
    assert.same({ 2, 3 }, g:ready { true })
    assert.same({ 2, 3 }, g:upstream(4))
    assert.equal("dag(4 nodes, 4 edges)", tostring(g))
  end)

  it("names a cycle by numbers", function()
    local _, err = dag.from_edges(3, { 3, 2, 2, 3 })
    assert.equal("the graph has a cycle: 2 -> 3 -> 2", err.message)
  end)

  it("raises for what is no node", function()
    for _, edges in ipairs { { 1, 4 }, { 0, 1 }, { 1, 1.5 }, { 1, "2" }, { 1, {} } } do
      assert.error_matches(function() dag.from_edges(3, edges) end,
        "item %d is .-, not a node of 1%.%.3")
    end
    assert.error_matches(function() dag.from_edges(3, { 1 }) end, "pairs of from and to expected")
    assert.error_matches(function() dag.from_edges(-1, {}) end, "bad argument #1")
    assert.error_matches(function() dag.from_edges(1 << 40, {}) end, "bad argument #1")
  end)

  it("handles a million nodes", function()
    local n, edges = 1000000, {}
    for i = 1, n - 1 do
      edges[2 * i - 1] = i
      edges[2 * i] = i + 1
    end
    local g = assert(dag.from_edges(n, edges))
    assert.equal(n, #g)
    assert.equal(n, select(2, g:critical_path()))
    assert.equal(n - 1, #g:ancestors(n))
  end)

  it("agrees with the definition on random graphs", function()
    math.randomseed(3)
    for _ = 1, 50 do
      local n, edges = 30, {}
      for _ = 1, 60 do
        local a, b = math.random(n), math.random(n)
        if a < b then
          edges[#edges + 1] = a
          edges[#edges + 1] = b
        end
      end
      local places = place_of(dag.from_edges(n, edges):order())
      for i = 1, #edges, 2 do assert.is_true(places[edges[i]] < places[edges[i + 1]]) end
    end
  end)
end)
