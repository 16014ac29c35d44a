-- SPDX-License-Identifier: Apache-2.0
local units = require "tidegate.units"

describe("units.duration", function()
  it("reads numbers with units, several in a row", function()
    assert.equal(250, units.duration "250ms")
    assert.equal(1500, units.duration "1.5s")
    assert.equal(5400000, units.duration "1h30m")
    assert.equal(86400000, units.duration "1d")
    assert.equal(0, units.duration "0s")
  end)

  it("gives nothing for everything else", function()
    for _, text in ipairs {
      "", "5", "5 min", "5min", "m", "-5s", "1h 30m", "5.s", "1e3s", "4000d",
    } do
      assert.is_nil(units.duration(text), text)
    end
    assert.is_nil(units.duration(5))
    assert.is_nil(units.duration(nil))
  end)
end)

describe("units.is_date", function()
  it("knows the calendar", function()
    assert.is_true(units.is_date "2026-11-20")
    assert.is_true(units.is_date "2024-02-29")
    assert.is_true(units.is_date "2000-02-29")
    for _, text in ipairs { "2026-02-29", "1900-02-29", "2026-13-01", "2026-00-10", "2026-1-1",
      "2026-04-31", "2026-11-20T00:00:00Z", "" } do
      assert.is_false(units.is_date(text), text)
    end
    assert.is_false(units.is_date(20261120))
  end)
end)
