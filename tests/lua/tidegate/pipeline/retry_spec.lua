-- SPDX-License-Identifier: Apache-2.0
local project_of = require "support.project"

describe("retry by a policy", function()
  local project
  before_each(function()
    project = project_of.new { ["pipelines/policies/again.lua"] = "return {}" }
  end)
  after_each(function() project:close() end)

  local function retry_of(text)
    local plan = assert(project:build('tasks = { tg.task "a" { run = print, retry = ' .. text .. " } }"))
    return plan.tasks[1].retry, plan.policies
  end

  it("asks it about every class, a hundred times at most", function()
    local retry, policies = retry_of 'tg.policy "again"'
    assert.equal("again", retry.decide)
    assert.equal(100, retry.attempts)
    assert.equal(5, #retry.on)
    assert.same({ "again" }, policies)
  end)

  it("keeps the limits that stand beside it", function()
    local retry = retry_of '{ decide = tg.policy "again", attempts = 4, on = "throttled", total = "1h" }'
    assert.equal(4, retry.attempts)
    assert.same({ "throttled" }, retry.on)
    assert.equal(3600000, retry.total_ms)
  end)

  it("is no part of a retry without one", function()
    local retry = retry_of "{ attempts = 2 }"
    assert.is_nil(retry.decide)
    assert.same({ "transient", "throttled" }, retry.on)
  end)

  for text, message in pairs {
    ['tg.policy "agian"'] = 'there is no policy "agian"',
    ["{ decide = print }"] = "retry.decide must be a policy, not a function",
    ["{ base = '1s' }"] = "retry.attempts is missing",
    ["tg.int {}"] = "retry must be a table, not tg.int",
    ["5"] = "retry must be a table, not 5",
  } do
    it("refuses " .. text, function()
      local faults = project:faults('tasks = { tg.task "a" { run = print, retry = ' .. text .. " } }")
      assert.truthy(faults:find(message, 1, true), faults == "" and "there is no fault" or faults)
    end)
  end
end)
