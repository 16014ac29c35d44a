-- SPDX-License-Identifier: Apache-2.0
local plain = require "tidegate.plain"

describe("plain.copy", function()
  it("shares nothing with the original", function()
    local original = { list = { 1, 2 }, text = "x" }
    local copy = plain.copy(original, "it")
    original.list[1] = 9
    assert.same({ list = { 1, 2 }, text = "x" }, copy)
  end)

  it("refuses what is not plain and names its place", function()
    assert.error_matches(function() plain.copy({ a = { print } }, "it") end,
      "it.a.1 is a function", nil, true)
    assert.error_matches(function() plain.copy({ [true] = 1 }, "it") end, "it has a key", nil, true)
  end)

  it("refuses a table that contains itself", function()
    local loop = {}
    loop.next = loop
    assert.error_matches(function() plain.copy(loop, "it") end, "contains itself", nil, true)
  end)
end)

describe("plain.keys", function()
  it("gives numbers before strings, each in order", function()
    assert.same({ 1, 2, "a", "b" }, plain.keys { b = 0, a = 0, 0, 0 })
  end)
end)
