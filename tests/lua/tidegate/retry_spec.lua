-- SPDX-License-Identifier: Apache-2.0
local retry = require "tidegate.retry"

describe("retry.policy", function()
  it("backs off by powers of two up to the cap", function()
    local policy = retry.policy { attempts = 6, base = "1s", cap = "5s", jitter = "none" }
    assert.same({ 1000, 2000, 4000, 5000, 5000 }, policy:delays(1))
  end)

  it("has the other kinds of backoff", function()
    local function delays(backoff)
      local options = { attempts = 4, backoff = backoff, base = "100ms", jitter = "none" }
      return retry.policy(options):delays(7)
    end
    assert.same({ 100, 100, 100 }, delays "constant")
    assert.same({ 100, 200, 300 }, delays "linear")
    local before = 100
    for _, delay in ipairs(delays "decorrelated") do
      assert.is_true(delay >= 100 and delay <= 3 * before)
      before = delay
    end
  end)

  it("takes a factor", function()
    local policy = retry.policy { attempts = 4, base = "1s", factor = 3, jitter = "none" }
    assert.same({ 1000, 3000, 9000 }, policy:delays(1))
  end)

  it("has sensible defaults", function()
    local policy = retry.policy {}
    assert.equal(2, #policy:delays(1))
    assert.equal("retry.policy(3 attempts, exponential from 1.0s to 5m00s, jitter full)",
      tostring(policy))
  end)

  it("jitters within bounds, and the same for the same seed", function()
    local full = retry.policy { attempts = 2, base = "1s", cap = "1s" }
    local equal = retry.policy { attempts = 2, base = "1s", cap = "1s", jitter = "equal" }
    local seen = {}
    for seed = 1, 200 do
      local delay = full:next(1, "transient", seed)
      assert.is_true(delay >= 0 and delay <= 1000)
      assert.equal(delay, full:next(1, "transient", seed))
      seen[delay] = true
      delay = equal:next(1, "transient", seed)
      assert.is_true(delay >= 500 and delay <= 1000)
    end
    local distinct = 0
    for _ in pairs(seen) do distinct = distinct + 1 end
    assert.is_true(distinct > 100)
  end)

  it("says why it stops", function()
    local policy = retry.policy { attempts = 3, total = "10s", jitter = "none" }
    assert.same({ nil, "class" }, { policy:next(1, "permanent", 1) })
    assert.same({ nil, "attempts" }, { policy:next(3, "transient", 1) })
    assert.same({ nil, "total" }, { policy:next(1, "transient", 1, 0, 9001) })
    assert.equal(1000, (policy:next(1, "transient", 1, 0, 9000)))
  end)

  it("tries only the classes it lists again", function()
    local policy = retry.policy { on = { "permanent" }, jitter = "none" }
    assert.equal(1000, (policy:next(1, "permanent", 1)))
    assert.is_nil((policy:next(1, "transient", 1)))
    assert.equal(2, #policy:delays(1))
  end)

  it("waits at least what the remote asked for", function()
    local policy = retry.policy { cap = "2s", jitter = "none" }
    assert.equal(7500, (policy:next(1, "throttled", 1, 7.5)))
    assert.equal(1000, (policy:next(1, "throttled", 1, 0.5)))
  end)

  it("gives whole milliseconds", function()
    local policy = retry.policy { factor = 1.3, attempts = 10 }
    for _, delay in ipairs(policy:delays(5)) do assert.equal("integer", math.type(delay)) end
  end)

  it("lists a bounded number of delays", function()
    assert.equal(1000, #retry.policy { attempts = 4294967295 }:delays(1))
    local options = { attempts = 100, backoff = "constant", jitter = "none", total = "3s" }
    assert.equal(3, #retry.policy(options):delays(1))
  end)

  it("raises for an unknown word and names the nearest", function()
    local wrong = {
      ["retry.policy: option 'atempts' is not known; did you mean 'attempts'?"] = { atempts = 3 },
      ["retry.policy: backoff 'exponental' is not known; did you mean 'exponential'?"] =
        { backoff = "exponental" },
      ["retry.policy: jitter 'zzz' is not known; there are none, full, equal"] = { jitter = "zzz" },
      ["retry: class 'transiant' is not known; did you mean 'transient'?"] =
        { on = { "transiant" } },
    }
    for message, options in pairs(wrong) do
      local ok, err = pcall(retry.policy, options)
      assert.is_false(ok)
      assert.truthy(err:find(message, 1, true), err)
    end
  end)

  it("raises for values without sense", function()
    local wrong = {
      ["table expected"] = 5,
      ["option must have a name, not a number"] = { 5 },
      ["attempts must be a whole number of at least 1"] = { attempts = 0 },
      ["attempts must be a whole number, not a string"] = { attempts = "5" },
      ["base must be a duration such as \"30s\", not a number"] = { base = 1 },
      ["base is '5 minutes', not a duration such as \"30s\""] = { base = "5 minutes" },
      ["cap (500ms) must not be less than base (1000ms)"] = { cap = "500ms" },
      ["factor must be a number of at least 1"] = { factor = 0.5 },
      ["backoff must be a word, not a boolean"] = { backoff = true },
      ["on must be a list of error classes, not a string"] = { on = "transient" },
      ["on must be a list of error classes"] = { on = { 1 } },
      ["on must name at least one class"] = { on = {} },
      ["on cannot name cancelled"] = { on = { "cancelled" } },
    }
    for message, options in pairs(wrong) do
      local ok, err = pcall(retry.policy, options)
      assert.is_false(ok)
      assert.truthy(err:find(message, 1, true), err)
    end
  end)

  it("raises at the caller's line", function()
    local _, err = pcall(function() return (retry.policy { bas = "1s" }) end)
    assert.matches("retry_spec.lua:%d+: ", err)
  end)

  it("raises for wrong arguments of next", function()
    local policy = retry.policy {}
    assert.error_matches(function() policy:next(0, "transient", 1) end, "attempts count from 1")
    assert.error_matches(function() policy:next(1, "transent", 1) end, "did you mean 'transient'")
    assert.error_matches(function() policy:next(1, 5, 1) end, "string expected")
    assert.error_matches(function() policy:next(1, "transient") end, "number expected")
    assert.error_matches(function() policy:next(1, "transient", 1, -1) end, "not negative")
    assert.error_matches(function() policy:next(1, "transient", 1, 0 / 0) end, "not negative")
    assert.error_matches(function() policy:next(1, "transient", 1, 0, -1) end, "not negative")
  end)
end)
