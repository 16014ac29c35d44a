-- SPDX-License-Identifier: Apache-2.0
-- Backfills: which occurrences there are, which run, and how one goes on after it was stopped.
local project = require "support.project"

local box
local function of(...) box = project.of(...) return box end
after_each(function() if box then box:close() end box = nil end)

local WRITES = [[
  tg.cmd "write" { argv = { "sh", "-c", "echo run >>files/log" } },
  tg.task "day" { after = "write", run = function(ctx)
    if ctx.logical_date:find "^2026%-11%-03" and not require("tidegate.file").stat "files/repaired" then
      error "the third"
    end
    return { ctx.interval.start, ctx.interval["end"], ctx.params.day }
  end },
]]
local FIELDS = [[ on = { tg.cron("0 5 * * *") },
  params = { day = tg.date { default = tg.logical_date } }, ]]

local function backfill(...)
  local document, result = box:document("backfill", "p", ...)
  return document.backfill, result
end

local function column(list, name)
  local values = {}
  for i, occurrence in ipairs(list.occurrences) do values[i] = occurrence[name] or false end
  return values
end

local RANGE = { "--from", "2026-11-01", "--to", "2026-11-05" }
local function range(...)
  local words = { table.unpack(RANGE) }
  for _, word in ipairs { ... } do words[#words + 1] = word end
  return table.unpack(words)
end

describe("backfill", function()
  it("runs the occurrences of the pipeline's schedule, each with its interval", function()
    of(WRITES, FIELDS)
    box:write("files/repaired", "")
    local list, result = backfill(range())
    assert.equal(0, result.code, result.err)
    assert.same({ "success", "success", "success", "success" }, column(list, "state"))
    assert.equal("2026-11-01T05:00:00.000Z", list.occurrences[1].start)
    assert.equal("2026-11-02T05:00:00.000Z", list.occurrences[1]["end"])
    local run = box:document("show", list.occurrences[2].run).run
    assert.same({ "2026-11-02T05:00:00.000Z", "2026-11-03T05:00:00.000Z", "2026-11-02" },
      run.tasks[2].output)
    assert.same({ start = "2026-11-02T05:00:00.000Z", ["end"] = "2026-11-03T05:00:00.000Z" },
      run.interval)
    assert.same({ "backfill", "2026-11-02T05:00:00.000Z" }, { run.trigger, run.occurrence })
    -- In their order: the newest run is that of the last occurrence.
    assert.equal(list.occurrences[4].run, box:document("show", "last").run.id)
    assert.matches("has succeeded already",
      box:tidegate("run", "p", "--at", "2026-11-02T05:00:00Z").err)
    assert.matches("\ninterval +2026%-11%-04T05:00:00.000Z to 2026%-11%-05T05:00:00.000Z\n",
      box:tidegate("show", "last").out)
  end)

  it("leaves what succeeded and reruns what failed, from its failure", function()
    of(WRITES, FIELDS)
    local list, result = backfill(range("--max-runs", "3"))
    assert.equal(1, result.code)
    assert.same({ "success", "success", "failed", "success" }, column(list, "state"))
    assert.matches("the third", list.occurrences[3].error)
    assert.equal(4, #box:lines "files/log")
    box:write("files/repaired", "")
    list, result = backfill(range())
    assert.equal(0, result.code)
    assert.same({ "leave", "leave", "rerun from failure", "leave" }, column(list, "action"))
    assert.same({ "success", "success", "success", "success" }, column(list, "state"))
    assert.equal(4, #box:lines "files/log") -- what had succeeded of the third was carried over
    assert.equal(0, select(2, backfill(range())).code)
    assert.equal(5, #box:document("runs").runs)
  end)

  it("says with --dry-run what is there and what would run", function()
    of(WRITES, FIELDS)
    assert.same({ "run", "run", "run", "run" }, column(backfill(range("--dry-run")), "action"))
    assert.is_nil(box:read ".tidegate/state.db")
    backfill("--from", "2026-11-02", "--to", "2026-11-04")
    assert.same({ "run", "leave", "rerun from failure", "run" },
      column(backfill(range("--dry-run")), "action"))
    assert.same({ "run", "leave", "leave", "run" },
      column(backfill(range("--dry-run", "--only", "missing")), "action"))
    assert.same({ "leave", "leave", "rerun from failure", "leave" },
      column(backfill(range("--dry-run", "--only", "failed")), "action"))
    assert.same({ "run", "rerun", "rerun", "run" },
      column(backfill(range("--dry-run", "--only", "all")), "action"))
    local out = box:tidegate("backfill", "p", range("--dry-run")).out
    assert.matches("2026%-11%-03T05:00:00Z%s+2026%-11%-04T05:00:00Z%s+rerun from failure%s+failed", out)
    assert.equal(2, #box:document("runs").runs)
  end)

  it("runs what succeeded again with --only all, as often as asked", function()
    of [[ tg.cmd "a" { argv = { "sh", "-c", "echo run >>files/log" } }, ]]
    for _ = 1, 3 do
      local list = backfill("--from", "2026-11-01", "--to", "2026-11-02", "--every", "12h", "--only", "all")
      assert.same({ "success", "success" }, column(list, "state"))
    end
    assert.equal(6, #box:lines "files/log")
  end)

  it("continues after its host was killed", function()
    of([[ tg.cmd "a" { argv = { "sh", "-c", "echo run >>files/log" } },
      tg.cmd "b" { after = "a",
        argv = { "sh", "-c", "[ -e files/repaired ] || { touch files/stuck; exec sleep 60; }" } }, ]])
    local words = { "backfill", "p", "--every", "1d" }
    for _, word in ipairs(RANGE) do words[#words + 1] = word end
    project.shell(("cd %s && (%s >/dev/null 2>files/err; echo $? >files/code) >/dev/null 2>&1 &"):format(
      project.quote(box.dir), project.command(words)))
    project.shell(("cd %s && for i in $(seq 200); do [ -e files/stuck ] && break; sleep 0.05; done; "
      .. "kill -9 $(cat .tidegate/lock); for i in $(seq 200); do [ -s files/code ] && break; sleep 0.05; done")
      :format(project.quote(box.dir)))
    box:write("files/repaired", "")
    local list, result = backfill(range("--every", "1d"))
    assert.equal(0, result.code, result.err)
    assert.same({ "continue", "run", "run", "run" }, column(list, "action"))
    assert.equal(4, #box:lines "files/log")
    assert.equal(4, #box:document("runs").runs)
  end)

  it("drains at a signal, and says what was not finished", function()
    of([[ tg.cmd "a" { argv = { "sh", "-c", "echo run >>files/log; sleep 0.3" } }, ]])
    local words = { "backfill", "p", "--every", "1d" }
    for _, word in ipairs(RANGE) do words[#words + 1] = word end
    project.shell(("cd %s && (%s >/dev/null 2>files/err; echo $? >files/code) >/dev/null 2>&1 &"):format(
      project.quote(box.dir), project.command(words)))
    project.shell(("cd %s && for i in $(seq 200); do [ -s files/log ] && break; sleep 0.02; done; "
      .. "kill -INT $(cat .tidegate/lock); for i in $(seq 200); do [ -s files/code ] && break; sleep 0.05; done")
      :format(project.quote(box.dir)))
    assert.equal("130\n", box:read "files/code")
    assert.matches('were not finished; "tidegate backfill %-%-resume %S+" goes on',
      box:read "files/err")
    assert.equal(0, select(2, backfill(range("--every", "1d"))).code)
    assert.equal(4, #box:lines "files/log")
  end)

  it("runs as many at once as the pipeline does, or as is asked for", function()
    for _, case in ipairs { { "runs = 4", 3 }, { "runs = 1", 1 }, { "runs = 0", 1 }, { "tasks = 9", 1 },
      { "runs = 4", 2, "2" }, { "runs = 4", 3, "9", true }, { "runs = 2", 1, "2", true },
      { "runs = 0", 9, "9" }, { "runs = 2, overlap = 'allow'", 9, "9" }, { "tasks = 9", 15, "20", true } } do
      of(WRITES, FIELDS .. "limits = { " .. case[1] .. " },")
      local list, result = backfill(range("--dry-run", case[3] and "--max-runs=" .. case[3]))
      assert.equal(case[2], list.max_runs, case[1])
      assert.matches("4 occurrences, 4 to run, at most " .. case[2] .. " at once", result.err)
      if case[4] then
        assert.matches("limits.runs is %d+, of which a backfill leaves one to other runs", result.err)
      end
      box:close()
    end
    box = nil
  end)

  it("says what is wrong with its range, its schedule and its parameters", function()
    of [[ tg.task "a" { run = function() end }, ]]
    for _, case in ipairs {
      { {}, "needs %-%-from" }, { { "--from", "2026-11-02", "--to", "2026-11-01" }, "before" },
      { { range() }, "no schedule" }, { { range("--every", "0s") }, "duration" },
      { { range("--every", "1s") }, "more than 10000 occurrences" },
      { { range("--every", "1d", "-p", "x=1") }, "x" },
      { { range("--every", "1d", "--only", "old") }, "missing" },
    } do
      local result = box:tidegate("backfill", "p", table.unpack(case[1]))
      assert.equal(2, result.code, table.concat(case[1], " "))
      assert.matches(case[2], result.err)
      assert.equal("", result.out)
    end
  end)
end)

describe("backfill --only stale", function()
  local UP = [[ tg.task "make" { produces = "orders", run = function() end }, ]]
  local DOWN = [[
    tg.task "use" { reads = "orders", produces = "report", run = function() return 1 end },
    tg.task "late" { after = "use", run = function() return 2 end },
  ]]
  local DAILY = [[ on = { tg.cron("0 0 * * *") }, partitions = { "EU", "US" }, ]]

  before_each(function()
    of(DOWN, DAILY)
    box:pipeline("up", UP, DAILY)
    for _, name in ipairs { "up", "p" } do
      assert.equal(0, box:tidegate("backfill", name, range()).code)
    end
  end)

  local function stale(...)
    local list, result = backfill(range("--only", "stale", ...))
    local found = {}
    for _, occurrence in ipairs(list.occurrences) do
      if occurrence.action ~= "leave" then
        assert.equal("rerun", occurrence.action)
        found[#found + 1] = occurrence.start:sub(9, 10) .. occurrence.partition
      else
        assert.is_nil(occurrence.stale)
      end
    end
    return found, list, result
  end

  it("leaves what is up to date, and what did not succeed", function()
    assert.same({}, (stale "--dry-run"))
    assert.equal(0, select(3, stale()).code)
    box:pipeline("q", [[ tg.task "a" { run = function() error "no" end } ]], DAILY)
    box:document("backfill", "q", "--from", "2026-11-01", "--to", "2026-11-02")
    box:pipeline("q", [[ tg.task "a" { run = function() error "no, again" end } ]], DAILY)
    local list = box:document("backfill", "q", "--from", "2026-11-01", "--to", "2026-11-03", "--only", "stale").backfill
    assert.same({ "leave", "leave", "leave", "leave" }, column(list, "action"))
  end)

  it("finds what an asset that was made again goes into: its partition and its interval", function()
    assert.equal(0, box:tidegate("backfill", "up", "--from", "2026-11-02", "--to", "2026-11-03",
      "--partitions", "US", "--only", "all").code)
    local found, list = stale "--dry-run"
    assert.same({ "02US" }, found)
    assert.matches("^orders, which use reads, was made again at %d+%-.* by up, run ", list.occurrences[4].stale)
    assert.matches("orders, which use reads", box:tidegate("backfill", "p", range("--only", "stale", "--dry-run")).out)
    local again, _, result = stale()
    assert.same({ "02US" }, again)
    assert.equal(0, result.code, result.err)
    assert.same({}, (stale "--dry-run"))
  end)

  it("finds what ran with another version of the pipeline", function()
    box:pipeline("p", DOWN .. [[ tg.task "new" { run = function() end }, ]], DAILY)
    local found, list = stale("--dry-run", "--partitions", "EU")
    assert.same({ "01EU", "02EU", "03EU", "04EU" }, found)
    assert.matches("^the pipeline has changed: bundle %x+, now %x+$", list.occurrences[1].stale)
    assert.equal(0, select(3, stale("--partitions", "EU")).code)
    assert.same({ "01US", "02US", "03US", "04US" }, (stale "--dry-run"))
  end)

  it("goes by what the task read, not by when its run ended", function()
    box:pipeline("p", DOWN:gsub("return 2", "if not require('tidegate.file').stat 'files/repaired' then error 'x' end"), DAILY)
    backfill(range("--only", "stale", "--partitions", "EU")) -- all fail after `use`
    assert.equal(0, box:tidegate("backfill", "up", "--from", "2026-11-01", "--to", "2026-11-02", "--only", "all").code)
    box:write("files/repaired", "")
    assert.equal(0, select(2, backfill(range("--partitions", "EU"))).code) -- `use` is carried over
    assert.same({ "01EU" }, (stale("--dry-run", "--partitions", "EU")))
  end)
end)

-- A backfill in the background, whose runs wait for a file to go.
local SLOW = [[ tg.cmd "a" { shell = true, argv = "echo run >>files/log; "
  .. "while test -e files/wait; do sleep 0.02; done" }, tg.cmd "b" { after = "a", argv = { "true" } }, ]]

local function begin(...)
  of(SLOW)
  box:write("files/wait", "")
  local words = { "backfill", "p", "--every", "1d", ... }
  for _, word in ipairs(RANGE) do words[#words + 1] = word end
  project.shell(("cd %s && (%s >/dev/null 2>files/err; echo $? >files/code) >/dev/null 2>&1 &"):format(
    project.quote(box.dir), project.command(words)))
end

local function until_true(condition)
  for _ = 1, 1000 do
    local is_known, holds = pcall(condition) -- there may be no store yet
    if is_known and holds then return end
    project.shell "sleep 0.02"
  end
  error "it did not come"
end

local function ended_code()
  until_true(function() return box:read "files/code" end)
  return tonumber(box:read "files/code")
end

local function fill() return box:document("backfill", "--list").backfills[1] end

local function counts()
  return box:sql [[SELECT group_concat(state || count)
    FROM (SELECT state, count(*) AS count FROM runs GROUP BY state ORDER BY state)]]
end

describe("a backfill at work", function()
  it("is paused: what runs ends, nothing more begins, and it goes on later", function()
    begin("--max-runs", "2")
    until_true(function() return #box:lines "files/log" == 2 end)
    assert.equal("running", fill().state)
    assert.equal(0, box:tidegate("backfill", "--pause", "last").code)
    assert.same({ "paused", "p", 4, 0, 0 },
      { fill().state, fill().pipeline, fill().total, fill().success, fill().failed })
    os.remove(box.dir .. "/files/wait")
    assert.equal(0, ended_code())
    assert.matches("2 of 4 succeeded, 0 did not, 2 were not finished", box:read "files/err")
    assert.equal("success2", counts())
    assert.matches(" paused +2 of 4 ", box:tidegate("backfill", "--list").out)
    local document, result = box:document("backfill", "--resume", fill().id:sub(1, 20))
    assert.equal(0, result.code, result.err)
    assert.same({ "success", "success", "success", "success" }, column(document.backfill, "state"))
    assert.same({ "leave", "leave", "run", "run" }, column(document.backfill, "action"))
    assert.equal(4, #box:lines "files/log")
    assert.equal("success", fill().state)
    assert.equal(2, box:tidegate("backfill", "--resume", "last").code)
  end)

  it("goes on where it is when its runs have not ended yet", function()
    begin()
    until_true(function() return #box:lines "files/log" == 1 end)
    assert.equal(0, box:tidegate("backfill", "--pause", "last").code)
    assert.equal(0, box:tidegate("backfill", "--resume", "last").code)
    os.remove(box.dir .. "/files/wait")
    assert.equal(0, ended_code())
    assert.equal("success4", counts())
  end)

  it("is cancelled with its runs", function()
    begin("--max-runs", "2")
    until_true(function() return #box:lines "files/log" == 2 end)
    assert.equal(0, box:tidegate("backfill", "--cancel", "last").code)
    assert.equal("cancelled2", counts())
    assert.equal(1, ended_code())
    assert.equal("cancelled", fill().state)
    assert.matches(" cancelled +2 of 4, 2 failed ", box:tidegate("backfill", "--list").out)
    assert.equal(2, #box:document("runs", "--backfill", "last").runs)
    os.remove(box.dir .. "/files/wait")
    assert.equal(0, box:tidegate("run", "p", "--new").code)
    assert.equal(3, #box:document("runs").runs)
    assert.equal(2, #box:document("runs", "--backfill", fill().id).runs)
    assert.matches("OCCURRENCE.-2026%-11%-02T00:00:00Z", box:tidegate("runs").out)
    assert.not_matches("OCCURRENCE", box:tidegate("runs", "--state", "success").out)
    assert.equal(2, box:tidegate("runs", "--backfill", "nix").code)
    local result = box:tidegate("backfill", "--cancel", "last")
    assert.same({ 2, true }, { result.code, result.err:find "ended already: cancelled" ~= nil })
  end)

  it("that was killed goes on, is paused or is cancelled", function()
    begin "--max-runs=2"
    until_true(function() return #box:lines "files/log" == 2 end)
    project.shell(("kill -9 $(cat %s/.tidegate/lock)"):format(project.quote(box.dir)))
    assert.equal(137, ended_code())
    assert.equal("running", fill().state)
    assert.equal(0, box:tidegate("backfill", "--pause", "last").code)
    assert.equal("paused", fill().state)
    os.remove(box.dir .. "/files/wait")
    local document, result = box:document("backfill", "--resume", "last")
    assert.equal(0, result.code, result.err)
    assert.same({ "continue", "continue", "run", "run" }, column(document.backfill, "action"))
    assert.equal("success4", counts())
  end)

  it("that was killed is cancelled with what it left", function()
    begin "--max-runs=2"
    until_true(function()
      return box:sql "SELECT count(*) FROM tasks WHERE state = 'running'" == "2"
    end)
    project.shell(("kill -9 $(cat %s/.tidegate/lock)"):format(project.quote(box.dir)))
    assert.equal(137, ended_code())
    assert.equal(0, box:tidegate("backfill", "--cancel", "last").code)
    assert.equal("cancelled2", counts())
    assert.equal("cancelled", fill().state)
  end)

  it("records of a secret where it is, and is given it again to go on", function()
    of(SLOW, "params = { token = tg.string { secret = true }, n = tg.int { default = 1 } },")
    box:write("files/wait", "")
    local words = { "backfill", "p", "--every", "1d", "-p", "token=value:canary7" }
    for _, word in ipairs(RANGE) do words[#words + 1] = word end
    project.shell(("cd %s && (%s >/dev/null 2>files/err; echo $? >files/code) >/dev/null 2>&1 &"):format(
      project.quote(box.dir), project.command(words)))
    until_true(function() return #box:lines "files/log" == 1 end)
    project.shell(("kill -9 $(cat %s/.tidegate/lock)"):format(project.quote(box.dir)))
    assert.equal(137, ended_code())
    assert.equal("", (select(2, project.shell("grep -rl canary7 " .. box.dir .. "/.tidegate"))))
    assert.matches("%-%-param token=value:token", box:tidegate("backfill", "--list").out)
    os.remove(box.dir .. "/files/wait")
    for _, case in ipairs {
      { {}, "on the command line, and that is not kept; give it again with %-p" },
      { { "-p", "n=2" }, '%-p gives a secret of it again, and "n" is none' },
      { { "-p", "x=2" }, '%-p gives a secret of it again, and "x" is none' },
      { { "--every", "1h" }, "takes a PIPELINE" },
    } do
      local result = box:tidegate("backfill", "--resume", "last", table.unpack(case[1]))
      assert.is_not.equal(0, result.code)
      assert.matches(case[2], result.err)
    end
    local document, result = box:document("backfill", "--resume", "last", "-p", "token=value:canary7",
      "--max-runs", "3")
    assert.equal(0, result.code, result.err)
    assert.equal(3, document.backfill.max_runs)
    assert.equal("success4", counts())
    assert.equal("", (select(2, project.shell("grep -rl canary7 " .. box.dir .. "/.tidegate"))))
  end)

  it("says what it does not take", function()
    of(SLOW)
    for _, words in ipairs { {}, { "p", "--list" }, { "--pause", "x", "--cancel", "x" },
      { "--pause", "last" }, { "--resume", "nothing" }, { "--cancel", "0" }, { "--list", "--only", "all" },
      { "--pause", "last", "--max-runs", "2" }, { "--resume", "last", "--dry-run" } } do
      assert.equal(2, box:tidegate("backfill", table.unpack(words)).code)
    end
    assert.equal(0, box:tidegate("backfill", "--list").code)
  end)
end)
