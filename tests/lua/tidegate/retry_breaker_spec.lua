-- SPDX-License-Identifier: Apache-2.0
local retry = require "tidegate.retry"

-- Makes a call that ends with a class at once.
local function call(breaker, now, class, retry_after)
  local verdict, ticket = breaker:ask(now)
  assert.not_equal("refuse", verdict)
  return breaker:report(now, ticket, class, retry_after)
end

local function opened(options)
  local breaker = retry.breaker(options or {})
  while breaker:phase() == "closed" do call(breaker, 0, "transient") end
  return breaker
end

describe("retry.breaker", function()
  it("opens after five failures in a row for 30 seconds by default", function()
    local breaker = retry.breaker {}
    for _ = 1, 4 do assert.equal("closed", call(breaker, 0, "transient")) end
    assert.equal("retry.breaker(closed, opens for 30.0s)", tostring(breaker))
    assert.equal("open", call(breaker, 0, "transient"))
    assert.same({ "refuse", 30000 }, { breaker:ask(0) })
    assert.same({ "refuse", 30000 }, { breaker:ask(29999) })
    assert.equal("probe", (breaker:ask(30000)))
    assert.equal("half_open", breaker:phase())
  end)

  it("closes when a probe goes well, opens when one fails", function()
    local good, bad = opened(), opened()
    assert.equal("closed", call(good, 30000, "none"))
    assert.equal("allow", (good:ask(30000)))
    assert.equal("open", call(bad, 30000, "lost"))
    assert.same({ "refuse", 60000 }, { bad:ask(30000) })
  end)

  it("takes all its options", function()
    local breaker = opened { failures = 1, open = "2s", probes = 2, successes = 3, lease = "5s" }
    assert.equal("probe", (breaker:ask(2000)))
    assert.equal("probe", (breaker:ask(2000)))
    assert.same({ "refuse", 7000 }, { breaker:ask(2000) })
    assert.equal("half_open", call(breaker, 7000, "none"))
    assert.equal("half_open", call(breaker, 7000, "none"))
    assert.equal("closed", call(breaker, 7000, "none"))
  end)

  it("opens for a share, and then not for failures in a row", function()
    local breaker = retry.breaker { share = 0.5, calls = 20, window = "10s" }
    for _ = 1, 10 do call(breaker, 0, "none") end
    for _ = 1, 9 do assert.equal("closed", call(breaker, 0, "transient")) end
    assert.equal("open", call(breaker, 9000, "transient"))
    breaker = retry.breaker { share = 0.5, calls = 20, window = "10s" }
    for _ = 1, 19 do call(breaker, 0, "transient") end
    assert.equal("closed", call(breaker, 10000, "transient"))
    assert.equal("open", call(retry.breaker { share = 0.5, failures = 1 }, 0, "transient"))
  end)

  it("stays open for as long as the remote asks, up to a limit", function()
    local breaker = retry.breaker { retry_after_max = "1m" }
    assert.equal("open", call(breaker, 0, "throttled", 12.5))
    assert.same({ "refuse", 12500 }, { breaker:ask(0) })
    breaker:report(0, 0, "throttled", 3600)
    assert.same({ "refuse", 60000 }, { breaker:ask(0) })
  end)

  it("does not count what says nothing about the resource", function()
    local breaker = retry.breaker { failures = 1 }
    for _, class in ipairs { "permanent", "contract", "cancelled", "bug", "none" } do
      assert.equal("closed", call(breaker, 0, class))
    end
  end)

  it("ignores a ticket from before", function()
    local breaker = retry.breaker { failures = 1 }
    local _, old = breaker:ask(0)
    call(breaker, 0, "lost")
    breaker:ask(30000)
    assert.equal("half_open", breaker:report(30000, old, "none"))
  end)

  it("lives on from its text", function()
    local breaker = opened()
    local text = breaker:encode()
    assert.matches("^breaker1 1 ", text)
    local other = retry.breaker {}
    assert.is_true(other:decode(text))
    assert.same({ "refuse", 30000 }, { other:ask(0) })
    assert.equal(text, other:encode())
  end)

  it("refuses another text and stays as it was", function()
    local breaker = opened()
    local text = breaker:encode()
    for _, bad in ipairs { "", "breaker2 1", text .. " 0", text:sub(1, -2), text:gsub("1", "7", 1) } do
      local ok, err = breaker:decode(bad)
      assert.is_nil(ok)
      assert.equal("invalid", err.code)
      assert.matches("breaker1", err.message)
      assert.equal(text, breaker:encode())
    end
  end)

  it("raises for options without sense and names them", function()
    local wrong = {
      ["table expected"] = 5,
      ["retry.breaker: option 'failure' is not known; did you mean 'failures'?"] = { failure = 3 },
      ["retry.breaker: failures must be a whole number of at least 1"] = { failures = 0 },
      ["retry.breaker: failures must be a whole number, not a string"] = { failures = "5" },
      ["retry.breaker: share must be between 0.001 and 1"] = { share = 0 },
      ["retry.breaker: share must be between 0.001 and 1 "] = { share = 1.5 },
      ["retry.breaker: share must be between 0.001 and 1  "] = { share = 0 / 0 },
      ["retry.breaker: share must be a number, not a boolean"] = { share = true },
      ["retry.breaker: open must be a duration such as \"30s\", not a number"] = { open = 30 },
      ["retry.breaker: open must be at least 1ms"] = { open = "0s" },
      ["retry.breaker: window must be at least 10ms"] = { window = "9ms" },
      ["retry.breaker: lease must be at least 1ms"] = { lease = "0ms" },
      ["retry.breaker: probes must be between 1 and 8"] = { probes = 9 },
      ["retry.breaker: successes must be a whole number of at least 1"] = { successes = 1.5 },
    }
    for message, options in pairs(wrong) do
      local ok, err = pcall(retry.breaker, options)
      assert.is_false(ok)
      assert.truthy(err:find(message:gsub(" +$", ""), 1, true), err)
    end
  end)

  it("raises for wrong arguments", function()
    local breaker = retry.breaker {}
    assert.error_matches(function() breaker:ask() end, "number expected")
    assert.error_matches(function() breaker:ask(1.5) end, "integer")
    assert.error_matches(function() breaker:report(0, 1, "transent") end, "did you mean 'transient'")
    assert.error_matches(function() breaker:report(0, 1) end, "string expected")
    assert.error_matches(function() breaker:report(0, 1, "throttled", -1) end, "not negative")
    assert.error_matches(function() breaker.ask(retry.policy {}, 0) end, "retry.breaker expected")
    assert.is_false(getmetatable(breaker))
  end)
end)
