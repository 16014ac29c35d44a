-- SPDX-License-Identifier: Apache-2.0
local project_of = require "support.project"

describe("a task's context", function()
  local project, native
  before_each(function()
    project = project_of.new()
    native = require "tidegate._native"
  end)
  after_each(function() project:close() end)

  -- Runs the last of the tasks a -> b -> t, with `other` beside them.
  local function run_last(body, data)
    assert(project:build(([[ tasks = {
      tg.task "a" { run = print }, tg.task "b" { after = "a", run = print },
      tg.task "other" { run = print },
      tg.task "t" { after = "b", run = function(ctx) %s end },
    } ]]):format(body)))
    return project:run(3, data)
  end

  it("has the facts of the attempt", function()
    assert.same({ "test", 1, "2026-11-20T05:00:00.000Z", "EU" },
      (run_last("return { ctx.pipeline, ctx.attempt, ctx.logical_date, ctx.params.region }",
        { params = { region = "EU" } })))
    assert.is_true((run_last("return ctx.event == nil", { event = native.null })))
  end)

  it("has the output of the task right before it, nil if that gave nothing", function()
    assert.equal(5, (run_last("return ctx.output.b.rows", { output = { b = { rows = 5 } } })))
    assert.is_true((run_last("return ctx.output.b == nil", { output = { b = native.null } })))
    assert.same({ "b" }, (run_last(
      "local names = {} for name in pairs(ctx.output) do names[#names + 1] = name end return names",
      { output = { b = 1 } })))
  end)

  it("asks once for the output of a task further up", function()
    local asked = {}
    native.output = function(name)
      asked[#asked + 1] = name
      return { rows = 9 }
    end
    assert.equal(18, (run_last "return ctx.output.a.rows + ctx.output.a.rows"))
    assert.same({ "a" }, asked)
  end)

  it("asks for a large output of the task right before it when that is looked at", function()
    local asked = 0
    native.output = function(name)
      asked = asked + 1
      return { name = name }
    end
    assert.equal("b", (run_last("return ctx.output.b.name", { large = { b = true } })))
    assert.same({ b = { name = "b" } }, (run_last(
      "local all = {} for name, value in pairs(ctx.output) do all[name] = value end return all",
      { large = { b = true } })))
    assert.equal(2, asked)
  end)

  it("fails with the host's error when an output cannot be had", function()
    native.output = function() return nil, { class = "transient", message = "lost" } end
    local ok, err = pcall(run_last, "return ctx.output.a")
    assert.is_false(ok)
    assert.equal("transient", err.class)
  end)

  local wrong = {
    { "an output of a task beside it", "return ctx.output.other",
      '"other" does not come before "t"; add after = "other"' },
    { "an output of no task", "return ctx.output.oter", 'did you mean "other"?' },
    { "an unknown field", "return ctx.logical_dat", 'did you mean "logical_date"?' },
    { "an item of no map", "return ctx.item", "ctx.item is there only in the `run` of a tg.map" },
    { "an error of no fallback", "return ctx.error", "ctx.error is there only in a fallback" },
    { "a method without a colon", 'ctx.step("a", print)', "it is called with a colon: ctx:step(...)" },
    { "a change", "ctx.params = {}", "ctx cannot be changed" },
    { "a change of an output", "ctx.output.b = 1", "ctx.output cannot be changed" },
    { "a sleep of no duration", 'ctx:sleep("5 min")', 'not "5 min"' },
    { "progress without numbers", "ctx:progress(1)", "takes two numbers" },
    { "an asset without a name", "ctx:emit_asset { rows = 1 }", "takes a table with a name" },
    { "an asset that is not plain", 'ctx:emit_asset { name = "a", f = print }', "asset.f is a" },
    { "a log that does not fit its format", 'ctx:log("%d", "x")', "number expected" },
  }
  for _, case in ipairs(wrong) do
    it("refuses " .. case[1], function()
      local ok, err = pcall(run_last, case[2])
      assert.is_false(ok)
      assert.truthy(tostring(err):find(case[3], 1, true), tostring(err))
    end)
  end

  it("logs with a level and a format, and text as it is", function()
    local lines = {}
    native.log = function(level, text) lines[#lines + 1] = level .. ": " .. text end
    run_last 'ctx:log("100%") ctx:log("%d rows", 3) ctx:log("warn", "%s", nil) ctx:log("warn")'
    assert.same({ "info: 100%", "info: 3 rows", "warn: nil", "info: warn" }, lines)
  end)

  it("sleeps through the host", function()
    local slept
    native.sleep_until = function(name, ms)
      slept = { name, ms }
      return true
    end
    run_last 'ctx:sleep("1m30s")'
    assert.same({ "sleep:1", 90000 }, slept)
  end)
end)
