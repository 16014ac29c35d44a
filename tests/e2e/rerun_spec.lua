-- SPDX-License-Identifier: Apache-2.0
-- Running an earlier run again: what runs, what is carried over, and on which pipeline and
-- parameters.
local project = require "support.project"

local box
local function of(...) box = project.of(...) return box end
after_each(function() if box then box:close() end box = nil end)

---Reruns and gives the run, with `states` and `tries` by task.
local function rerun(...)
  local result = box:tidegate("-o", "json", "rerun", ...)
  assert(result.out ~= "", result.err)
  local run = project.json(result.out).run
  run.states, run.tries, run.by_name = {}, {}, {}
  for _, task in ipairs(run.tasks) do
    run.states[task.name], run.tries[task.name] = task.state, task.attempts
    run.by_name[task.name] = task
  end
  return run, result
end

-- Fails as long as there is no file files/repaired.
local function flaky(name, after)
  return ([[tg.task %q { after = %s, run = function(ctx)
    local file = require "tidegate.file"
    if not file.stat "files/repaired" then error "not repaired" end
    return "done"
  end }, ]]):format(name, after)
end

describe("rerun", function()
  it("runs all of it again, with the parameters it had, linked to the earlier run", function()
    of([[ tg.task "a" { run = function(ctx) return ctx.params.n end }, ]],
      "params = { n = tg.int { default = 1 }, day = tg.date { default = tg.logical_date } },")
    local first = box:run { "p", "-p", "n=7", "--at", "2026-11-20" }
    local run, result = rerun "last"
    assert.equal(0, result.code, result.err)
    assert.same({ first.id, "rerun", 1 }, { run.rerun_of, run.trigger, run.rerun })
    assert.same({ n = 7, day = "2026-11-20" }, run.params)
    assert.equal(7, run.by_name.a.output)
    assert.equal(first.logical_date, run.logical_date)
    assert.equal(8, rerun("last", "-p", "n=8").by_name.a.output)
    assert.equal(8, rerun("last").params.n)
  end)

  it("from failure carries over what succeeded, and what a branch left out", function()
    of([[
      tg.task "a" { run = function(ctx) return { day = 3 } end },
      tg.branch "way" { after = "a", decide = function() return "heavy" end, to = { "heavy", "light" } },
      tg.task "heavy" { run = function(ctx) return "h" end },
      tg.task "light" { run = function(ctx) end },
      tg.task "join" { after = { "heavy", "light" }, when = "none_failed_min_one_success",
        run = function(ctx) return ctx.output.heavy end },
      ]] .. flaky("last", '"join"') .. [[
      tg.task "after" { after = "last", run = function(ctx) return ctx.output.last end },
    ]])
    local first = box:run()
    assert.equal("upstream_failed", first.states.after)
    box:write("files/repaired", "")
    local run = rerun("last", "--from-failure")
    assert.same({ a = "success", way = "success", heavy = "success", light = "skipped",
      join = "success", last = "success", after = "success" }, run.states)
    assert.same({ a = 0, way = 0, heavy = 0, light = 0, join = 0, last = 1, after = 1 }, run.tries)
    assert.is_true(run.by_name.a.carried)
    assert.is_false(run.by_name.last.carried)
    assert.same({ day = 3 }, run.by_name.a.output)
    assert.matches("carried over", box:tidegate("show", "last").out)
    assert.matches("carried over: success in run " .. first.id,
      box:tidegate("why", "last", "a").out, 1, true)
    local result = box:tidegate("rerun", "last", "--from-failure")
    assert.equal(2, result.code)
    assert.matches("nothing of this run failed", result.err)
  end)

  it("from failure runs only the items of a map that did not succeed", function()
    of([[
      tg.task "list" { run = function() return { 1, 2, 3, 4 } end },
      tg.map "publish" { after = "list", over = function(ctx) return ctx.output.list end,
        fail_after = 10, run = function(ctx, item)
          local file = require "tidegate.file"
          if item == 3 and not file.stat "files/repaired" then error "three" end
          return item * 10
        end },
      tg.map "next" { after = "publish", over = "publish", run = function(ctx, item) return item + 1 end },
      ]] .. flaky("late", '"next"'))
    box:pipeline("p", (box:read("pipelines/p.lua"):match("tasks = {\n(.*)\n  },\n}"):gsub("fail_after = 10, ", "")))
    local first = box:run()
    assert.equal("failed", first.states.publish)
    assert.equal("upstream_failed", first.states.next)
    box:write("files/repaired", "")
    local run = rerun("last", "--from-failure")
    assert.same({ list = "success", publish = "success", next = "success", late = "success" }, run.states)
    assert.same({ 10, 20, 30, 40 }, run.by_name.publish.output)
    assert.same({ 11, 21, 31, 41 }, run.by_name.next.output)
    local tries = {}
    for _, item in ipairs(box:document("show", "last", "publish").task.items) do
      tries[item.item + 1] = item.attempts
    end
    assert.equal(1, tries[3])
    assert.equal(0, tries[1])
  end)

  it("from failure gives a chained map the items of the one that is carried", function()
    of([[
      tg.map "one" { over = function() return { 1, 2 } end, run = function(ctx, item) return item * 10 end },
      tg.map "two" { after = "one", over = "one", run = function(ctx, item)
        if not require("tidegate.file").stat "files/repaired" then error "two" end
        return item + 1
      end }, ]])
    assert.equal("failed", box:run().states.two)
    box:write("files/repaired", "")
    local run = rerun("last", "--from-failure")
    assert.same({ one = 0, two = 0 }, run.tries) -- a chained map has no attempts of its own
    assert.same({ 11, 21 }, run.by_name.two.output)
  end)

  it("from failure sets up again what was torn down", function()
    of([[
      tg.task "up" { setup = true, run = function() end },
      tg.task "done" { after = "up", run = function() end },
      ]] .. flaky("work", '"done"') .. [[
      tg.task "down" { after = { "up", "work" }, teardown = true, run = function() end },
    ]])
    assert.equal("success", box:run().states.down)
    box:write("files/repaired", "")
    assert.same({ up = 1, done = 0, work = 1, down = 1 }, rerun("last", "--from-failure").tries)
  end)

  it("of a selection runs that, also what was skipped", function()
    of [[
      tg.task "a" { tags = "x", run = function(ctx) return 1 end },
      tg.branch "way" { after = "a", decide = function() return "heavy" end, to = { "heavy", "light" } },
      tg.task "heavy" { run = function(ctx) return "h" end },
      tg.task "light" { run = function(ctx) return "l" end },
    ]]
    local first = box:run()
    local run = rerun("last", "--select", "skipped")
    assert.same({ a = 0, way = 0, heavy = 0, light = 1 }, run.tries)
    assert.equal("success", run.states.light)
    assert.same({ a = 1, way = 0, heavy = 0, light = 0 }, rerun(first.id, "--select", "tag:x").tries)
    assert.equal("skipped", rerun(first.id, "--select", "tag:x").states.light)
    local result = box:tidegate("rerun", first.id, "--select", "failed")
    assert.equal(2, result.code)
    assert.matches("selects no task", result.err)
  end)

  it("of a selection does not forget what failed and is not selected", function()
    of([[ tg.task "a" { run = function() return 1 end }, ]] .. flaky("b", '"a"') .. [[
      tg.task "c" { after = "b", run = function() end },
      tg.task "alarm" { after = "b", when = "one_failed", run = function() return "told" end }, ]])
    box:run()
    local run, result = rerun("last", "--select", "a alarm")
    assert.equal(1, result.code) -- b failed, and still has
    assert.same({ a = "success", b = "failed", c = "upstream_failed", alarm = "success" }, run.states)
    assert.same({ a = 1, b = 0, c = 0, alarm = 1 }, run.tries)
    assert.matches("b: .*not repaired", run.error.message)
    assert.matches("b +failed +0 .*carried over", box:tidegate("show", "last").out)
    box:write("files/repaired", "")
    run = rerun("last", "--from-failure")
    assert.same({ a = "success", b = "success", c = "success", alarm = "skipped" }, run.states)
    assert.same({ 0, 1, 1 }, { run.tries.a, run.tries.b, run.tries.c })
  end)

  it("of what failed in a map runs its items that did, and what it is told besides", function()
    of [[
      tg.map "m" { over = function() return { 1, 2, 3 } end, fail_after = 3, run = function(ctx, item)
        if item == 2 and not require("tidegate.file").stat "files/repaired" then error "two" end
        return item
      end },
      tg.task "sum" { after = "m", run = function(ctx) return ctx.output.m end }, ]]
    local first = box:run()
    assert.equal("success", first.states.m) -- one failure was let pass
    box:write("files/repaired", "")
    local run = rerun(first.id, "--select", "failed")
    assert.same({ m = 0, sum = 0 }, run.tries) -- the list is that of before
    local tries = {}
    for i, item in ipairs(box:document("show", "last", "m").task.items) do tries[i] = item.attempts end
    assert.same({ 0, 1, 0 }, tries)
    run = rerun(first.id, "--select", "failed+")
    assert.same({ 1, 2, 3 }, run.by_name.sum.output)
    assert.equal(2, box:tidegate("rerun", "last", "--select", "failed").code) -- nothing is left
    rerun(first.id, "--select", "m") -- by its name all of it
    for i, item in ipairs(box:document("show", "last", "m").task.items) do tries[i] = item.attempts end
    assert.same({ 1, 1, 1 }, tries)
  end)

  it("may be run again itself, and of a child run too", function()
    of([[ tg.run "c" { pipeline = "child" }, ]])
    box:pipeline("child", [[ tg.task "a" { run = function() return 1 end }, ]] .. flaky("b", '"a"'))
    local first = box:run()
    local child
    for _, run in ipairs(box:document("runs").runs) do
      if run.pipeline == "child" then child = run end
    end
    assert.equal(first.id, child.parent)
    local second = rerun(child.id, "--from-failure")
    assert.same({ a = 0, b = 1 }, second.tries)
    box:write("files/repaired", "")
    local third = rerun("last", "--from-failure")
    assert.same({ a = 0, b = 1 }, third.tries)
    assert.same({ second.id, child.id }, { third.rerun_of, second.rerun_of })
    assert.is_nil(third.parent)
    assert.equal("success", third.state)
    assert.equal("success", rerun(first.id, "--from-failure").states.c) -- its child is a new one
  end)

  it("selects by what became of tasks", function()
    of([[ tg.task "ok" { run = function() end }, ]] .. flaky("bad", '"ok"') .. [[
      tg.task "late" { after = "bad", run = function() end },
      tg.branch "way" { after = "ok", decide = function() return "x" end, to = { "x", "y" } },
      tg.task "x" { run = function() end }, tg.task "y" { run = function() end }, ]])
    box:run()
    local function runs(select)
      local names = {}
      for _, task in ipairs(box:document("rerun", "last", "--dry-run", "--select", select).rerun.tasks) do
        if task.action == "run" then names[#names + 1] = task.name end
      end
      return table.concat(names, " ")
    end
    assert.equal("bad late", runs "failed")
    assert.equal("bad", runs "result:failed")
    assert.equal("bad late", runs "result:failed+")
    assert.equal("ok way x", runs "result:success")
    assert.equal("y", runs "skipped")
    assert.equal("bad late y", runs "failed skipped")
    for select, message in pairs {
      ["result:faled"] = "is no state that a task ends in", cancelled = "did you mean 'result:cancelled'",
      ["result:cancelled"] = "selects no task", okk = "did you mean 'ok'",
    } do
      local result = box:tidegate("rerun", "last", "--select", select)
      assert.equal(2, result.code)
      assert.matches(message, result.err, 1, true)
    end
  end)

  it("of a selection says what else is needed", function()
    of([[ tg.task "a" { run = function() end }, ]] .. flaky("b", '"a"') .. [[
      tg.task "c" { after = "b", run = function() end }, ]])
    box:run()
    local result = box:tidegate("rerun", "last", "--select", "c")
    assert.equal(2, result.code)
    assert.matches("the selection waits for b, which did not succeed", result.err)
  end)

  it("takes the pipeline as it is now, or as it was", function()
    of [[ tg.task "a" { run = function() return "old" end }, ]]
    local first = box:run()
    box:pipeline("p", [[ tg.task "a" { run = function() return "new" end },
      tg.task "b" { after = "a", run = function() return 1 end }, ]])
    local run = rerun(first.id)
    assert.same({ "new", 1 }, { run.by_name.a.output, run.by_name.b.output })
    run = rerun(first.id, "--bundle", "original")
    assert.equal("old", run.by_name.a.output)
    assert.equal(first.bundle, run.bundle)
    assert.equal(1, #run.tasks)
    box:pipeline("p", "tg.tsk", "")
    assert.equal(2, box:tidegate("rerun", first.id).code)
    assert.equal("old", rerun(first.id, "--bundle", "original").by_name.a.output)
    os.remove(box.dir .. "/pipelines/p.lua")
    local result = box:tidegate("rerun", first.id)
    assert.same({ 2, true }, { result.code,
      result.err:find("; --bundle original runs what the run had", 1, true) ~= nil })
    assert.equal("old", rerun(first.id, "--bundle", "original").by_name.a.output)
  end)

  it("says with --dry-run that the pipeline is not what it was", function()
    of [[ tg.task "a" { run = function() end }, ]]
    local first = box:run()
    assert.equal("", box:tidegate("rerun", "last", "--dry-run").err)
    box:pipeline("p", [[ tg.task "a" { run = function() return 1 end }, ]])
    assert.matches("^tidegate: the pipeline has changed since: bundle " .. first.bundle:sub(1, 12) .. ", now %x+",
      box:tidegate("rerun", "last", "--dry-run").err)
    assert.equal("", box:tidegate("rerun", "last", "--dry-run", "--bundle", "original").err)
  end)

  it("says with --dry-run what it would do, and does nothing", function()
    of([[ tg.task "a" { run = function() end }, ]] .. flaky("b", '"a"'))
    local first = box:run()
    local document = box:document("rerun", "last", "--from-failure", "--dry-run")
    assert.equal(1, document.schema_version)
    assert.same({ { name = "a", action = "keep", earlier = "success" },
      { name = "b", action = "run", earlier = "failed" } }, document.rerun.tasks)
    assert.equal(first.id, document.rerun.of)
    assert.matches("b%s+run%s+failed", box:tidegate("rerun", "last", "--from-failure", "--dry-run").out)
    assert.equal(1, #box:document("runs").runs)
  end)

  it("of a run that is not there, or of both ways at once, is an error", function()
    of [[ tg.task "a" { run = function() end }, ]]
    assert.equal(2, box:tidegate("rerun", "last").code)
    assert.is_nil(box:read ".tidegate/state.db")
    box:run()
    assert.equal(2, box:tidegate("rerun", "zz").code)
    assert.equal(2, box:tidegate("rerun", "last", "--select", "a", "--from-failure").code)
    local result = box:tidegate("rerun", "last", "-p", "n=1")
    assert.equal(2, result.code)
    assert.matches("n", result.err)
  end)
end)
