-- SPDX-License-Identifier: Apache-2.0
local retry = require "tidegate.retry"

-- Takes until it is refused, and gives how many there were.
local function drain(budget, now)
  local taken = 0
  while budget:try(now) do taken = taken + 1 end
  return taken
end

describe("retry.budget", function()
  it("begins with ten retries by default", function()
    local budget = retry.budget({}, 0)
    assert.equal("retry.budget(0.2 of first tries, 0.1 a second, at most 10.0)", tostring(budget))
    assert.equal(10, budget:left(0))
    assert.equal(10, drain(budget, 0))
    assert.is_false(budget:try(0))
  end)

  it("lets retries add a fifth to first tries", function()
    local budget = retry.budget({ ratio = 0.2, reserve = 0 }, 0)
    drain(budget, 0)
    local retries = 0
    for _ = 1, 1000 do
      budget:deposit(0)
      retries = retries + drain(budget, 0)
    end
    assert.equal(200, retries)
  end)

  it("gives the reserve as time passes", function()
    local budget = retry.budget({ reserve = 0.5 }, 1000)
    drain(budget, 1000)
    assert.is_false(budget:try(2999))
    assert.is_true(budget:try(3000))
  end)

  it("is a counter without ratio and reserve", function()
    local budget = retry.budget({ ratio = 0, reserve = 0, cap = 3 }, 0)
    for now = 1, 3 do
      budget:deposit(now)
      assert.is_true(budget:try(now))
    end
    assert.is_false(budget:try(math.maxinteger))
  end)

  it("lives on from its text", function()
    local budget = retry.budget({}, 5)
    budget:try(5)
    assert.equal("budget1 9000000 5", budget:encode())
    local other = retry.budget({}, 0)
    assert.is_true(other:decode(budget:encode()))
    assert.equal(9, other:left(5))
  end)

  it("refuses another text and stays as it was", function()
    local budget = retry.budget({}, 0)
    for _, bad in ipairs { "", "budget2 1 1", "budget1 -1 0", "budget1 1", "budget1 1 1 1" } do
      local ok, err = budget:decode(bad)
      assert.is_nil(ok)
      assert.equal("invalid", err.code)
      assert.equal(10, budget:left(0))
    end
  end)

  it("raises for options without sense and names them", function()
    local wrong = {
      ["table expected"] = 5,
      ["retry.budget: option 'ration' is not known; did you mean 'ratio'?"] = { ration = 1 },
      ["retry.budget: ratio must be between 0 and a million"] = { ratio = -0.1 },
      ["retry.budget: ratio must be a number, not a string"] = { ratio = "20%" },
      ["retry.budget: reserve must be between 0 and a million"] = { reserve = 1e7 },
      ["retry.budget: cap must be between 0 and a million"] = { cap = 0 / 0 },
      ["retry.budget: cap must be 0 (no retries) or at least 1"] = { cap = 0.5 },
    }
    for message, options in pairs(wrong) do
      local ok, err = pcall(retry.budget, options, 0)
      assert.is_false(ok)
      assert.truthy(err:find(message, 1, true), err)
    end
  end)

  it("raises for wrong arguments", function()
    local budget = retry.budget({}, 0)
    assert.error_matches(function() retry.budget {} end, "number expected")
    assert.error_matches(function() budget:try() end, "number expected")
    assert.error_matches(function() budget:deposit(0.5) end, "integer")
    assert.error_matches(function() budget.try(retry.policy {}, 0) end, "retry.budget expected")
    assert.is_false(getmetatable(budget))
  end)
end)
