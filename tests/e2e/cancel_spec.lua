-- SPDX-License-Identifier: Apache-2.0
-- Cancelling a run: where its host is at work, where it was killed, and where there is nothing left
-- to cancel.
local project = require "support.project"

local box
local function of(...) box = project.of(...) return box end
after_each(function() if box then box:close() end box = nil end)

local SLOW = [[
  tg.task "up" { setup = true, run = function() end },
  tg.cmd "slow" { after = "up", argv = { "sh", "-c", "echo $$ >files/pid; exec sleep 60" } },
  tg.task "after" { after = "slow", run = function() end },
  tg.cmd "down" { after = { "up", "slow" }, teardown = true,
    argv = { "sh", "-c", "echo down >>files/down" } },
]]

local CHILD = [[ tg.run "child" { pipeline = "c" }, tg.task "after" { after = "child", run = function() end }, ]]

-- Waits until a file below the project has something in it.
local function wait_for(path)
  project.shell(("for i in $(seq 200); do [ -s %s ] && break; sleep 0.05; done"):format(
    project.quote(box.dir .. "/" .. path)))
  return assert(box:read(path), path .. " did not come")
end

local function run_beside(name)
  project.shell(("cd %s && (%s >files/out 2>files/err; echo $? >files/code) >/dev/null 2>&1 &")
    :format(project.quote(box.dir), project.command { "run", name or "p" }))
end

---Starts a run in the background and waits until its command is at work, and recorded as such.
---@param name string?
local function start(name)
  run_beside(name)
  wait_for "files/pid"
  repeat until box:sql("SELECT count(*) FROM tasks WHERE state = 'running'") ~= "0"
end

local function ended_code()
  local text = wait_for "files/code"
  return tonumber(text)
end

local function host_kill()
  project.shell(("kill -9 $(cat %s/.tidegate/lock)"):format(project.quote(box.dir)))
  assert.equal(137, ended_code())
end

-- A process that was ended and that nobody waits for (in a container without an init) is not alive.
local function is_alive(pid)
  local stat = project.read_file("/proc/" .. pid .. "/stat")
  return stat ~= nil and not stat:find("%) Z ")
end

local function states()
  local run = box:document("show", "last").run
  local by_name = {}
  for _, task in ipairs(run.tasks) do by_name[task.name] = task.state end
  return by_name, run
end

describe("cancel", function()
  it("asks the host that is at work, waits, and lets teardowns run", function()
    of(SLOW)
    start()
    local document, result = box:document("cancel", "last")
    assert.equal(0, result.code, result.err)
    assert.equal("cancelled", document.run.state)
    assert.equal(1, ended_code())
    assert.same({ up = "success", slow = "cancelled", after = "cancelled", down = "success" },
      (states()))
    assert.same({ "down" }, box:lines "files/down")
    assert.is_false(is_alive(box:read("files/pid"):match "%d+"))
    assert.is_nil(box:read(".tidegate/requests/" .. document.run.id .. ".cancel"))
    assert.matches("cancelled from the command line", box:read "files/err")
  end)

  it("ends a run whose host was killed, and starts nothing but teardowns", function()
    of(SLOW)
    start()
    host_kill()
    local result = box:tidegate("cancel", "last")
    assert.equal(0, result.code, result.err)
    local by_name, run = states()
    assert.same({ up = "success", slow = "cancelled", after = "cancelled", down = "success" }, by_name)
    assert.equal("cancelled", run.state)
    assert.same({ "down" }, box:lines "files/down")
    assert.is_false(is_alive(box:read("files/pid"):match "%d+"))
  end)

  it("reaches child runs, in a host and without one", function()
    for _, kills in ipairs { false, true } do
      of(CHILD)
      box:pipeline("c", SLOW)
      start()
      if kills then host_kill() end
      local result = box:tidegate("cancel", "last")
      assert.equal(0, result.code, result.err)
      local by_name, run = states()
      assert.same({ child = "cancelled", after = "cancelled" }, by_name)
      assert.equal(1, #run.children)
      assert.same({ "cancelled", "child" }, { run.children[1].state, run.children[1].task })
      assert.same({ "down" }, box:lines "files/down")
      box:close()
    end
    box = nil
  end)

  it("is durable at once: whoever is killed, nothing else starts", function()
    of([[
      tg.cmd "slow" { shell = true, grace = "60s",
        argv = "trap '' TERM; echo $$ >files/pid; while :; do sleep 0.05; done" },
      tg.task "after" { after = "slow", when = "all_done", run = function() end },
    ]])
    start()
    project.shell(("cd %s && (%s >files/cancel 2>&1 & echo $! >files/canceller)"):format(
      project.quote(box.dir), project.command { "cancel", "last" }))
    repeat until box:sql "SELECT state FROM runs" == "cancelling"
    project.shell(("kill -9 $(cat %s/files/canceller)"):format(project.quote(box.dir)))
    host_kill()
    project.shell(("rm -rf %s/.tidegate/requests"):format(project.quote(box.dir)))
    assert.equal("cancelling", (select(2, states()).state))
    local run, result = box:run()
    assert.equal(1, result.code)
    assert.matches("was cancelled", result.err)
    assert.same({ "cancelled", "cancelled", "cancelled" }, { run.state, run.states.slow, run.states.after })
    assert.equal("1", box:sql "SELECT count(*) FROM runs")
    assert.is_false(is_alive(box:read("files/pid"):match "%d+"))
  end)

  it("goes on after a crash with child runs that nobody waits for", function()
    of([[ tg.run "child" { pipeline = "c", wait = false },
          tg.cmd "long" { after = "child", argv = { "sleep", "60" } }, ]])
    box:pipeline("c", SLOW)
    start()
    host_kill()
    assert.equal(0, box:tidegate("cancel", "last").code)
    assert.same({ "cancelled", "cancelled" }, (function()
      local found = {}
      for state in box:sql("SELECT state FROM runs"):gmatch "%S+" do found[#found + 1] = state end
      return found
    end)())
    assert.same({ "down" }, box:lines "files/down")
  end)

  it("of a run that has ended says so, exit code 2", function()
    of [[ tg.task "a" { run = function() end }, ]]
    assert.equal(2, box:tidegate("cancel", "last").code)
    local run = box:run()
    local result = box:tidegate("cancel", "last")
    assert.equal(2, result.code)
    assert.matches("run " .. run.id .. " has ended already: success", result.err, 1, true)
  end)

  it("of a left run beside a host that is at work is done by that host", function()
    of(SLOW)
    start()
    host_kill()
    local left = box:document("show", "last").run.id
    os.remove(box.dir .. "/files/pid")
    os.remove(box.dir .. "/files/code")
    box:pipeline("q", SLOW)
    start "q"
    local result = box:tidegate("cancel", left)
    assert.equal(0, result.code, result.err)
    assert.equal("cancelled", box:document("show", left).run.state)
    assert.equal("running", box:document("show", "last").run.state)
    assert.equal(0, box:tidegate("cancel", "last").code)
    assert.equal(1, ended_code())
  end)

  describe("of a task", function()
    it("ends it, and what waits for it goes by its rule", function()
      of [[
        tg.cmd "slow" { argv = { "sh", "-c", "echo $$ >files/pid; exec sleep 60" } },
        tg.task "after" { after = "slow", run = function() end },
        tg.task "whatever" { after = "slow", when = "all_done", run = function() return 1 end },
      ]]
      start()
      assert.equal(2, box:tidegate("cancel", "last", "--task", "slwo").code)
      assert.equal(2, box:tidegate("cancel", "last", "--item", "1").code)
      assert.equal(2, box:tidegate("cancel", "last", "--task", "slow", "--item", "1").code)
      local result = box:tidegate("cancel", "last", "--task", "slow")
      assert.equal(0, result.code, result.err)
      assert.equal(1, ended_code())
      local by_name, run = states()
      assert.same({ slow = "cancelled", after = "upstream_failed", whatever = "success" }, by_name)
      assert.same({ "failed", "slow: cancelled from the command line" },
        { run.state, run.error.message })
      assert.is_false(is_alive(box:read("files/pid"):match "%d+"))
      assert.equal(2, box:tidegate("cancel", "last", "--task", "slow").code)
    end)

    it("ends its child run with it", function()
      of [[ tg.run "child" { pipeline = "c" },
        tg.task "after" { after = "child", when = "all_done", run = function() end }, ]]
      box:pipeline("c", SLOW)
      start()
      assert.equal(0, box:tidegate("cancel", "last", "--task", "child").code)
      assert.equal(1, ended_code())
      local by_name, run = states()
      assert.same({ child = "cancelled", after = "success" }, by_name)
      assert.equal("cancelled", run.children[1].state)
      assert.same({ "down" }, box:lines "files/down")
    end)

    it("says what it rested at, and that it does no more", function()
      of [[
        tg.task "asleep" { run = function(ctx) ctx:sleep("1h") end },
        tg.task "waiting" { run = function(ctx) ctx:wait_event { type = "never" } end },
        tg.cmd "slow" { argv = { "sh", "-c", "echo $$ >files/pid; exec sleep 60" } },
        tg.task "after" { after = "slow", run = function() end },
      ]]
      start()
      repeat until box:sql("SELECT count(*) FROM steps") == "2"
      for _, task in ipairs { "asleep", "waiting", "after" } do
        assert.equal(0, box:tidegate("cancel", "last", "--task", task).code)
      end
      local shown = box:tidegate("show", "last").out
      assert.matches("asleep +sleep:1 +was to sleep until", shown)
      assert.matches("waiting +wait:1 +waited for an event never", shown)
      assert.not_matches("sleeps until", shown)
      for task, expected in pairs {
        asleep = "was to sleep until %S+ %(sleep:1%), and ended before",
        waiting = "waited for an event never, and ended before it came",
        after = "waited for slow, which had not ended",
      } do
        local found
        for _, reason in ipairs(box:document("why", "last", task).reasons) do
          assert.truthy(reason["until"], reason.text)
          assert.truthy(reason.duration_ms < 600000, reason.text)
          found = found or reason.text:find(expected)
        end
        assert.truthy(found, task)
      end
      assert.equal(0, box:tidegate("cancel", "last").code)
    end)

    it("or of an item of a map", function()
      of [[
        tg.map "m" { over = function() return { 0, 1, 2 } end, fail_after = 2, run = function(ctx, n)
          if n == 1 then
            require("tidegate.file").write("files/pid", "x")
            ctx:sleep "1h"
          end
          return n
        end },
      ]]
      run_beside()
      wait_for "files/pid"
      local result = box:tidegate("cancel", "last", "--task", "m", "--item", "1")
      assert.equal(0, result.code, result.err)
      assert.equal(0, ended_code())
      local run = box:document("show", "last").run
      assert.same({ 0, 2 }, { run.tasks[1].output[1], run.tasks[1].output[3] })
      assert.equal("cancelled", box:sql "SELECT state FROM items WHERE item = 1")
    end)

    it("of a run that nobody works on is done when it is continued", function()
      of(SLOW)
      start()
      host_kill()
      local result = box:tidegate("cancel", "last", "--task", "slow")
      assert.equal(0, result.code, result.err)
      assert.matches("when the run is continued", result.err)
      local run = box:run()
      assert.same({ up = "success", slow = "cancelled", after = "upstream_failed", down = "success" },
        run.states)
      assert.equal("failed", run.state)
    end)

    it("of an item that nobody works on ends the try that its host lost", function()
      of [[
        tg.map "m" { over = function() return { 0, 1 } end, fail_after = 2, run = function(ctx, n)
          if n == 1 then
            require("tidegate.file").write("files/pid", "x")
            while true do ctx:sleep "100ms" end
          end
          return n
        end },
      ]]
      run_beside()
      wait_for "files/pid"
      repeat until box:sql("SELECT count(*) FROM attempts WHERE item = 1") == "1"
      host_kill()
      assert.equal(0, box:tidegate("cancel", "last", "--task", "m", "--item", "1").code)
      assert.equal("lost", box:sql "SELECT state FROM attempts WHERE item = 1")
      assert.equal("cancelled|1", box:sql "SELECT state, attempts FROM items WHERE item = 1")
      assert.equal("success", box:run().state)
      assert.equal("1", box:sql "SELECT count(*) FROM attempts WHERE item = 1")
    end)
  end)
end)
