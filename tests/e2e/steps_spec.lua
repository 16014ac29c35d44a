-- SPDX-License-Identifier: Apache-2.0
-- Durable steps and sleeps by the real binary.
local project = require "support.project"

local box
local function of(...) box = project.of(...) return box end
after_each(function() if box then box:close() end box = nil end)

-- In the pipeline's file: leaves a line in files/log.
local NOTE = [[
  (function(name)
    local file = require "tidegate.file"
    assert(file.write("files/log", (file.read("files/log") or "") .. name .. "\n"))
    return name
  end)]]

local function log() return table.concat(box:lines "files/log", " ") end

-- Kills the host of a run in the background once a query of its store gives a text.
local function killed_when(query, text)
  project.shell(("cd %s && { %s >/dev/null 2>&1 & pid=$!; " ..
    "for i in $(seq 2000); do [ \"$(sqlite3 .tidegate/state.db %s 2>/dev/null)\" = %s ] && break; " ..
    "sleep 0.01; done; kill -9 $pid; wait $pid; } 2>/dev/null"):format(
    project.quote(box.dir), project.command { "run", "p" }, project.quote(query),
    project.quote(text)))
  assert.equal(text, box:sql(query))
end

describe("ctx:step", function()
  it("is done once, however often the task is tried", function()
    of([[
      tg.task "a" { retry = { attempts = 3, base = "1ms" }, run = function(ctx)
        local note = ]] .. NOTE .. [[

        local one = ctx:step("one", function() return note "one" end)
        if ctx.attempt < 3 then error { class = "transient", message = "again" } end
        return { one, ctx:step("two", function() return note "two" end) }
      end },
    ]])
    local run, result = box:run()
    assert.equal("success", run.state, result.err)
    assert.same({ "one", "two" }, run.by_name.a.output)
    assert.equal(3, run.by_name.a.attempts)
    assert.equal("one two", log())
  end)

  it("in another order than before is refused", function()
    of [[
      tg.task "a" { retry = { attempts = 2, base = "1ms" }, run = function(ctx)
        ctx:step("first " .. ctx.attempt, function() end)
        error { class = "transient", message = "again" }
      end },
    ]]
    local run = box:run()
    assert.equal("failed", run.state)
    assert.matches("first 2", run.by_name.a.error.message)
    assert.matches("first 1", run.by_name.a.error.message)
  end)

  it("is told after the host was killed; one that was at work is done again", function()
    of([[
      tg.task "a" { run = function(ctx)
        local note = ]] .. NOTE .. [[

        local one = ctx:step("one", function() return note "one" end)
        local two = ctx:step("two", function()
          note "two"
          local file = require "tidegate.file"
          while file.stat("files/wait") do end
          return "two"
        end)
        return { one, two }
      end },
    ]])
    box:write("files/wait", "")
    killed_when("SELECT group_concat(name || coalesce(result, '')) FROM steps", 'one"one",two')
    os.remove(box.dir .. "/files/wait")
    local run = box:run()
    assert.same({ "one", "two" }, run.by_name.a.output)
    assert.matches("^one two ?t?w?o?$", log())
  end)
end)

describe("ctx:sleep", function()
  it("goes on where it was when the host was killed amid it", function()
    of([[
      tg.task "a" { run = function(ctx)
        local note = ]] .. NOTE .. [[

        ctx:step("before", function() return note "before" end)
        ctx:sleep("4s")
        note "after"
        return "slept"
      end },
    ]])
    killed_when("SELECT count(*) FROM steps WHERE wake_at > 0", "1")
    local wakes = box:sql "SELECT wake_at FROM steps WHERE wake_at > 0"
    local run = box:run()
    assert.equal("slept", run.by_name.a.output)
    assert.equal("before after", log())
    assert.equal(wakes, box:sql "SELECT wake_at FROM steps WHERE wake_at > 0")
    -- Not before its time, and not another four seconds after it began anew.
    local ended = tonumber(box:sql "SELECT ended_at FROM runs")
    assert.is_true(ended >= tonumber(wakes))
  end)

  it("over a second takes no slot", function()
    local tasks = {}
    for i = 1, 20 do
      tasks[i] = ([[tg.task "t%d" { run = function(ctx) ctx:sleep("2s") return 1 end },]]):format(i)
    end
    of(table.concat(tasks, "\n"), "limits = { tasks = 1 },")
    local run = box:run()
    assert.equal("success", run.state)
    -- One after the other they would take forty seconds.
    local ms = tonumber(box:sql "SELECT ended_at - created_at FROM runs")
    assert.is_true(ms < 30000, ms)
  end)
end)
