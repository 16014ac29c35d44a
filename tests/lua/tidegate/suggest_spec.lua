-- SPDX-License-Identifier: Apache-2.0
local suggest = require "tidegate.suggest"

describe("suggest.distance", function()
  it("counts an insert, a delete, a replacement and a swap as one edit each", function()
    assert.equal(0, suggest.distance("after", "after"))
    assert.equal(1, suggest.distance("afte", "after"))
    assert.equal(1, suggest.distance("afterr", "after"))
    assert.equal(1, suggest.distance("aftar", "after"))
    assert.equal(1, suggest.distance("aftre", "after"))
    assert.equal(5, suggest.distance("", "after"))
  end)

  it("is the same in both directions", function()
    for _, pair in ipairs { { "timout", "timeout" }, { "when", "then" }, { "abc", "" } } do
      assert.equal(suggest.distance(pair[1], pair[2]), suggest.distance(pair[2], pair[1]))
    end
  end)
end)

describe("suggest.nearest", function()
  local fields = { "after", "retry", "timeout", "when" }

  it("finds what was probably meant, whatever its case", function()
    assert.equal("timeout", suggest.nearest("timout", fields))
    assert.equal("retry", suggest.nearest("Rerty", fields))
  end)

  it("gives nothing for a word that is far from all", function()
    assert.is_nil(suggest.nearest("schedule", fields))
    assert.is_nil(suggest.nearest(("timeout"):rep(100), fields))
    assert.is_nil(suggest.nearest(7, fields))
  end)
end)

describe("suggest.hint", function()
  it("names the nearest word, or all where they are few", function()
    assert.equal('did you mean "queue"?', suggest.hint("que", { "queue", "skip" }))
    assert.equal("one of: queue, skip", suggest.hint("parallel", { "queue", "skip" }))
    assert.is_nil(suggest.hint("parallel", {}))
  end)
end)
