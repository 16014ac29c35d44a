-- SPDX-License-Identifier: Apache-2.0
-- What `run` runs: an occurrence, the rest of an unfinished run, a rerun from the failure, a new one.
local project = require "support.project"

local box
local function of(...) box = project.of(...) return box end
after_each(function() if box then box:close() end box = nil end)

-- Each task notes that it started; "b" fails as long as there is a file "files/broken".
local TASKS = [[
  tg.cmd "a" { shell = true, argv = "echo a >>files/log" },
  tg.cmd "b" { after = "a", shell = true, argv = "echo b >>files/log; ! test -e files/broken" },
  tg.task "c" { after = "b", run = function(ctx)
    return { at = ctx.logical_date, exit = ctx.output.b.exit_code }
  end },
  tg.cmd "d" { shell = true, argv = "echo d >>files/log" },
]]

local function log()
  local lines = box:lines "files/log"
  table.sort(lines)
  return table.concat(lines, " ")
end

describe("--at", function()
  it("says when the schedule does not have the instant", function()
    of([[ tg.task "a" { run = function() end }, ]], [[ on = { tg.cron("0 5 * * *", { tz = "Europe/Berlin" }) }, ]])
    local off = "2026%-03%-29T00:00:00.000Z is not in the schedule of p; the occurrence after it is "
      .. "2026%-03%-29T03:00:00.000Z"
    assert.matches(off, box:tidegate("run", "p", "--at", "2026-03-29").err)
    assert.not_matches("schedule", box:tidegate("run", "p", "--at", "2026-03-29").err) -- it is there now
    assert.not_matches("schedule", box:tidegate("run", "p", "--at", "2026-03-29T03:00:00Z").err)
    assert.not_matches("schedule", box:tidegate("run", "p").err)
    assert.not_matches("schedule", box:tidegate("run", "p", "-q", "--at", "2026-03-30").err)
    box:pipeline("p", [[ tg.task "a" { run = function() end }, ]])
    assert.not_matches("schedule", box:tidegate("run", "p", "--at", "2026-03-31").err)
  end)

  it("runs an occurrence once", function()
    of(TASKS)
    local first = box:run { "p", "--at", "2026-11-20T05:00:00Z" }
    assert.equal("2026-11-20T05:00:00.000Z", first.occurrence)
    assert.equal("2026-11-20T05:00:00.000Z", first.by_name.c.output.at)
    local again, result = box:run { "p", "--at", "2026-11-20T06:00:00+01:00" }
    assert.equal(0, result.code)
    assert.matches("succeeded already", result.err)
    assert.equal(first.id, again.id)
    assert.equal("a b d", log())
    assert.not_equal(first.id, box:run({ "p", "--at", "2026-11-21" }).id)
    assert.not_equal(first.id, box:run({ "p", "--at", "2026-11-20T05:00:00Z", "--new" }).id)
    assert.equal(3, #box:document("runs").runs)
  end)

  it("reruns what failed from its failure, and says of what it is a rerun", function()
    of(TASKS)
    box:write("files/broken", "")
    local first, result = box:run { "p", "--at", "2026-11-20" }
    assert.equal(1, result.code)
    assert.same({ a = "success", b = "failed", c = "upstream_failed", d = "success" }, first.states)
    os.remove(box.dir .. "/files/broken")
    local second = box:run { "p", "--at", "2026-11-20" }
    assert.same({ a = "success", b = "success", c = "success", d = "success" }, second.states)
    assert.equal(first.id, second.rerun_of)
    assert.equal(1, second.rerun)
    assert.equal("a b b d", log())
    assert.equal("2026-11-20T00:00:00.000Z", second.by_name.c.output.at)
    assert.matches("succeeded already", box:tidegate("run", "p", "--at", "2026-11-20").err)
  end)

  it("tells occurrences of other parameters apart", function()
    of([[ tg.task "a" { run = function(ctx) return ctx.params.region end }, ]],
      [[params = { region = tg.enum { "US", "EU", default = "EU" } },]])
    local eu = box:run { "p", "--at", "2026-11-20" }
    local us = box:run { "p", "--at", "2026-11-20", "-p", "region=US" }
    assert.not_equal(eu.id, us.id)
    assert.same({ "EU", "US" }, { eu.by_name.a.output, us.by_name.a.output })
    assert.equal(eu.id, box:run({ "p", "--at", "2026-11-20", "-p", "region=EU" }).id)
  end)
end)

-- Kills the host amid task "b", once the store knows that it runs.
local function killed(arguments)
  box:write("files/wait", "")
  project.shell(([[cd %s && {
    %s >/dev/null 2>&1 & pid=$!
    running="SELECT name FROM tasks WHERE state = 'running'"
    while ! sqlite3 .tidegate/state.db "$running" | grep -q b; do sleep 0.01; done
    kill -9 $pid; wait $pid; } 2>/dev/null]]):format(box.dir, project.command(arguments)))
  os.remove(box.dir .. "/files/wait")
end

local WAITING = [[
  tg.cmd "a" { shell = true, argv = "echo a >>files/log" },
  tg.cmd "b" { after = "a", shell = true,
    argv = "echo b >>files/log; echo >files/up; while test -e files/wait; do sleep 0.01; done" },
  tg.task "c" { after = "b", run = function(ctx) return ctx.params.n end },
]]
local PARAMS = [[params = { n = tg.int { default = 1 }, day = tg.date { default = tg.logical_date } },]]

describe("a run whose host was killed", function()
  it("is continued by the same command, what was finished is not run again", function()
    of(WAITING, PARAMS)
    killed { "run", "p" }
    local running = box:document("show", "last").run
    assert.equal("running", running.state)
    local run = box:run()
    assert.equal(running.id, run.id)
    assert.same({ a = "success", b = "success", c = "success" }, run.states)
    assert.equal("a b b", log())
    assert.matches("lost", box:tidegate("why", "last", "b").out)
    assert.not_equal(run.id, box:run().id)
  end)

  it("is continued with the pipeline as it was", function()
    of(WAITING, PARAMS)
    killed { "run", "p" }
    box:pipeline("p", [[ tg.task "other" { run = function() end }, ]], PARAMS)
    local run = box:run()
    assert.equal("success", run.states.c)
    assert.is_nil(run.states.other)
    assert.equal("success", box:run().states.other)
  end)

  it("is left alone by other parameters, other occurrences and --new", function()
    of(WAITING, PARAMS)
    killed { "run", "p" }
    local running = box:document("show", "last").run.id
    assert.not_equal(running, box:run({ "p", "-p", "n=2" }).id)
    assert.not_equal(running, box:run({ "p", "--at", "2026-11-20" }).id)
    assert.not_equal(running, box:run({ "p", "--new" }).id)
    assert.equal(running, box:run().id)
  end)

  it("is continued as an occurrence as well", function()
    of(WAITING, PARAMS)
    killed { "run", "p", "--at", "2026-11-20" }
    local running = box:document("show", "last").run.id
    assert.equal(running, box:run({ "p", "--at", "2026-11-20" }).id)
    assert.equal("a b b", log())
  end)
end)

describe("tg.cron", function()
  it("is read by the calendar, whose faults stand at the word's line", function()
    for word, message in pairs {
      ['tg.cron "0 25 * * *"'] = "25", ['tg.cron "0 5 * *"'] = "field",
      ['tg.cron("0 5 * * *", { tz = "Europe/Berlln" })'] = "Europe/Berlin",
      ['tg.cron "0 0 30 2 *"'] = "", ['tg.cron "@dayly"'] = "@daily",
      ['tg.cron("0 5 * * *", { calendar = { holidays = "2026-02-30" } })'] = "2026-02-30",
      ['tg.cron("0 5 * * *", { calendar = { hours = "06:00-07:00" } })'] = "closed whenever",
      ['tg.cron("0 5 * * *", { calendar = { weekdays = "MON-FIR" } })'] = "FIR",
    } do
      of(TASKS, "doc = 'x',\n  on = { " .. word .. " },")
      for _, verb in ipairs { { "check" }, { "run", "p" }, { "graph", "p" } } do
        local result = box:tidegate(table.unpack(verb))
        assert.equal(2, result.code, word)
        assert.matches("pipelines/p.lua:4: ", result.out .. result.err, 1, true)
        assert.matches(message, result.out .. result.err, 1, true)
      end
      box:close()
    end
    box = nil
  end)

  it("takes all that the calendar knows, and graph shows when it fires", function()
    of(TASKS, [[ on = { tg.cron "@every 15m", tg.cron "30 0 5 L * ?",
      tg.cron("0 9 * * MON#2", { tz = "Europe/Berlin", on_closed = "shift",
        calendar = { weekdays = "MON-FRI", holidays = { "2026-12-24..2026-12-26" }, hours = "08:00-18:00",
          blackouts = "2026-12-27T00:00:00Z/2027-01-04T00:00:00Z" } }), }, ]])
    assert.equal(0, box:tidegate("check").code)
    local schedules = box:document("graph", "p").graph.schedules
    assert.same({ "@every 15m", "30 0 5 L * ?", "0 9 * * MON#2" },
      { schedules[1].expr, schedules[2].expr, schedules[3].expr })
    for i = 1, 3 do
      assert.equal(3, #schedules[i].next)
      assert.is_true(schedules[i].next[1] < schedules[i].next[2])
    end
    assert.matches("T05:00:30.000Z$", schedules[2].next[1])
    assert.matches('cron "@every 15m" %(UTC%), next: %d[%d-]+T%d%d:%d[05]:00Z, ', box:tidegate("graph", "p").out)
  end)

  it("gives a run by hand the last interval that is over", function()
    of([[ tg.task "a" { run = function(ctx) return ctx.interval end }, ]], [[ on = { tg.cron "@every 1h" }, ]])
    local run = box:run()
    assert.same(run.interval, run.by_name.a.output)
    assert.is_true(run.interval["end"] <= run.logical_date)
    assert.matches(":00:00.000Z$", run.interval["end"])
  end)
end)
