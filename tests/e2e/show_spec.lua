-- SPDX-License-Identifier: Apache-2.0
-- What show, why and logs tell of maps, steps, child runs and last resorts.
local project = require "support.project"

local box
local function of(...) box = project.of(...) return box end
after_each(function() if box then box:close() end box = nil end)

describe("a map", function()
  before_each(function()
    of [[
      tg.map "publish" { over = function() return { "a", "b", "c" } end, retry = { attempts = 2, base = "1ms" },
        fail_after = 3, run = function(ctx, item)
          ctx:log("item %s", item)
          if item == "b" then error("no b") end
          return item .. "!"
        end }, ]]
    box:run()
  end)

  it("is shown with how many of its items did what", function()
    local run = box:document("show", "last").run
    assert.same({ items = 3, success = 2, failed = 1, skipped = 0, cancelled = 0 }, run.tasks[1].map)
    local out = box:tidegate("show", "last").out
    assert.matches("3 of 3 items, 1 failed", out)
    assert.matches("publish%[1%]%s+failed%s+2", out)
    local why = box:tidegate("why", "last", "publish").out
    assert.matches("3 items: 2 success, 1 failed, 0 skipped, 0 cancelled, 0 not run", why)
    assert.matches("publish%[1%] failed after 2 attempts: .*no b", why)
  end)

  it("is shown item by item", function()
    local task = box:document("show", "last", "publish").task
    assert.same({ 0, 1, 2 }, { task.items[1].item, task.items[2].item, task.items[3].item })
    assert.same({ "a!", "failed", 2 }, { task.items[1].output, task.items[2].state, task.items[2].attempts })
    assert.matches("no b", task.items[2].error.message)
    assert.matches("\n2 +success +1 ", box:tidegate("show", "last", "publish").out)
  end)

  it("has a log for each try of each item", function()
    local logs = box:document("logs", "last", "publish").logs
    local seen = {}
    for _, line in ipairs(logs) do seen[#seen + 1] = ("%d.%d %s"):format(line.item, line.attempt, line.text) end
    table.sort(seen)
    assert.same({ "0.1 item a", "1.1 item b", "1.2 item b", "2.1 item c" }, seen)
    assert.equal("publish", logs[1].task)
    assert.matches("publish%[1%]%.2", box:tidegate("logs", "last").out)
    assert.equal(1, #box:document("logs", "last", "--attempt", "2").logs)
  end)
end)

describe("a task", function()
  it("is shown with what it gave", function()
    of [[
      tg.task "gives" { run = function() return { rows = 41 } end },
      tg.task "much" { run = function() return ("x"):rep(5000) end },
      tg.task "nothing" { run = function() end }, ]]
    box:run()
    assert.matches('\noutput +{"rows":41}\n', box:tidegate("show", "last", "gives").out)
    local much = box:tidegate("show", "last", "much").out
    assert.matches("\noutput +\"x+…\n", much)
    assert.is_true(#much < 2000)
    assert.not_matches("output", box:tidegate("show", "last", "nothing").out)
  end)
end)

describe("steps", function()
  it("are shown with their intents and results", function()
    of [[ tg.task "a" { run = function(ctx)
      ctx:step("submit", function() return { id = 7 } end)
      ctx:step("fetch", function() error "no answer" end)
    end }, ]]
    box:run()
    local steps = box:document("show", "last").run.steps
    assert.same({ "submit", true, { id = 7 } }, { steps[1].name, steps[1].done, steps[1].result })
    assert.same({ "fetch", false }, { steps[2].name, steps[2].done })
    assert.matches('submit%s+done%s+%S+%s+{"id":7}', box:tidegate("show", "last").out)
    assert.matches("fetch%s+begun", box:tidegate("show", "last", "a").out)
    local why = box:tidegate("why", "last", "a").out
    assert.matches("step submit: done", why)
    assert.matches("step fetch: begun", why)
  end)

  it("that sleep say until when", function()
    of [[ tg.task "a" { run = function(ctx) ctx:sleep "1h" end }, ]]
    project.shell(("cd %s && (%s) >/dev/null 2>&1 &"):format(project.quote(box.dir),
      project.command { "run", "p" }))
    project.shell(("cd %s && for i in $(seq 200); do [ \"$(sqlite3 .tidegate/state.db "
      .. "'SELECT count(*) FROM steps' 2>/dev/null)\" = 1 ] && break; sleep 0.05; done"):format(
      project.quote(box.dir)))
    local task = box:document("show", "last").run.tasks[1]
    assert.is_string(task.sleeps_until)
    assert.matches("sleeps until " .. task.sleeps_until, box:tidegate("show", "last").out, 1, true)
    assert.matches("sleeps until", box:tidegate("why", "last", "a").out)
    assert.equal(0, box:tidegate("cancel", "last").code) -- a run that only sleeps
  end)
end)

describe("child runs", function()
  it("are shown below each other, with who started them", function()
    of [[ tg.run "call" { pipeline = "c" }, ]]
    box:pipeline("c", [[ tg.run "deeper" { pipeline = "d" }, ]])
    box:pipeline("d", [[ tg.task "a" { run = function() end }, ]])
    box:run()
    local run = box:document("show", "last").run
    local child = run.children[1]
    assert.same({ "c", "success", "call", run.id }, { child.pipeline, child.state, child.task, child.parent })
    assert.equal("d", child.children[1].pipeline)
    local out = box:tidegate("show", "last").out
    assert.matches("\nc%s+success%s+%S+%s+call%s+" .. child.id:gsub("%-", "%%-"), out)
    assert.matches("\n  d%s+success", out)
    assert.matches("child run " .. child.id .. " of c: success",
      box:tidegate("why", "last", "call").out, 1, true)
    assert.matches("child of +" .. run.id:gsub("%-", "%%-"), box:tidegate("show", child.id).out)
  end)
end)

describe("a last resort", function()
  it("is told apart from the other attempts", function()
    of [[ tg.task "a" { retry = { attempts = 2, base = "1ms" }, run = function() error "no" end,
      fallback = function(ctx, err) return "old" end }, ]]
    local run = box:run()
    assert.equal("success", run.state)
    local attempts = box:document("show", "last").run.attempts
    assert.same({ false, false, true }, { attempts[1].fallback, attempts[2].fallback, attempts[3].fallback })
    assert.matches("a%s+success%s+3%s+%S+%s+fallback", box:tidegate("show", "last").out)
    assert.matches("attempt 3 %(the fallback%): success", box:tidegate("why", "last", "a").out)
  end)
end)

describe("what did not run", function()
  it("is told with what kept it from running", function()
    box = project.of [[
      tg.gate "quality" { contract = "c", table = "nothing_there" },
      tg.task "guarded" { after = "quality", run = print }, tg.task "far" { after = "guarded", run = print },
      tg.branch "way" { decide = function() return "left" end, to = { "left", "right" } },
      tg.task "left" { run = function() end }, tg.task "right" { run = print },
      tg.task "both" { after = { "left", "right" }, when = "none_skipped", run = print },
      tg.task "sure" { fallback = "spare", run = function() end }, tg.task "spare" { run = print },
    ]]
    box:write("contracts/c.yaml", "apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: 1.0.0\n" ..
      "status: active\nschema: [{ name: nothing_there, properties: [{ name: id }] }]\n")
    assert.equal(3, box:tidegate("run", "p").code)
    local out = box:tidegate("show", "last").out
    assert.matches("guarded%s+upstream_failed%s+0%s+gate quality stopped it\n", out)
    assert.matches("far%s+upstream_failed%s+0%s+guarded: upstream_failed\n", out)
    assert.matches("right%s+skipped%s+0%s+branch way chose otherwise\n", out)
    assert.matches("both%s+skipped%s+0%s+by none_skipped\n", out)
    assert.matches("spare%s+skipped%s+0%s+sure did not need it\n", out)
    assert.matches("waited for gate quality: failed: nothing_there: ",
      box:tidegate("why", "last", "guarded").out)
  end)
end)

describe("what failed", function()
  it("is told of all tasks, and why there was no other try", function()
    box = project.of [[
      tg.task "a" { retry = { attempts = 2, on = { "throttled" } }, run = function() error "no a" end },
      tg.task "b" { after = "a", when = "all_done", run = function() error "no b" end },
      tg.task "c" { after = "a", when = "all_done", retry = { attempts = 2, total = "1s" }, run = function()
        error { class = "throttled", message = "busy", retry_after = 60 } end },
      tg.task "d" { after = "a", when = "all_done", run = function() error "no d" end,
        fallback = function() error "no fallback" end },
    ]]
    local result = box:tidegate("run", "p")
    assert.equal(1, result.code, result.err)
    local function why(...) return box:tidegate("why", "last", ...).out end
    assert.matches("a%s+attempt 1: failed .*no a", why())
    assert.matches("b%s+ended failed too: .*no b", why())
    assert.matches("c%s+ended failed too: busy", why())
    assert.matches("ended failed; the class transient is not among those of its retry.on", why "a")
    assert.matches("ended failed; what the remote asked to wait is longer than its time", why "c")
    assert.matches("ended failed; its fallback failed as well", why "d")
    assert.not_matches("waited for attempt", why "d")
  end)
end)
