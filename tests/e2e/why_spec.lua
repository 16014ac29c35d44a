-- SPDX-License-Identifier: Apache-2.0
-- why names what is waited for while a host is at work: each test stops where somebody waits.
local project = require "support.project"

local box
after_each(function()
  if not box then return end
  local pid = (box:read ".tidegate/lock" or ""):match "%d+"
  project.shell(("kill -9 %s 2>/dev/null; while kill -0 %s 2>/dev/null; do sleep 0.02; done")
    :format(pid or "''", pid or "''"))
  box:close()
  box = nil
end)

local YAML = "name: test\nfiles:\n  - { path: files, write: true }\n"

-- Waits until a query of the store gives what it is to give.
local function wait_for(query, wanted)
  for _ = 1, 1000 do
    local is_known, found = pcall(box.sql, box, query) -- there may be no store yet
    if is_known and found == wanted then return end
    project.shell "sleep 0.02"
  end
  error("it did not come: " .. (box:read "files/err" or ""))
end

-- Starts the pipeline "p" and waits for that.
local function begin(query, wanted)
  project.shell(("cd %s && (%s >files/out 2>files/err; true) >/dev/null 2>&1 &")
    :format(project.quote(box.dir), project.command { "run", "p" }))
  wait_for(query, wanted)
end

local function running(count)
  begin("SELECT count(*) FROM attempts WHERE state = 'running'", tostring(count))
end

-- The reasons of a kind that last until now.
local function open_reasons(kind, ...)
  local found = {}
  for _, reason in ipairs(box:document("why", "last", ...).reasons) do
    if reason.kind == kind and not reason["until"] then found[#found + 1] = reason end
  end
  return found
end

-- The only reason of a kind that lasts until now; the text says the same.
local function reason_of(kind, ...)
  local found = open_reasons(kind, ...)
  assert.equal(1, #found, kind)
  local text = box:tidegate("why", "last", ...).out
  assert.truthy(text:find(found[1].text, 1, true), text)
  return found[1]
end

local function id_of(pipeline)
  return box:sql(("SELECT id FROM runs WHERE pipeline = '%s'"):format(pipeline))
end

local function takers(reason)
  local list = {}
  for i, taker in ipairs(reason.taken_by) do
    list[i] = ("%s %s %s %s %d"):format(taker.run, taker.pipeline, taker.task,
      tostring(taker.item), taker.slots)
  end
  return list
end

local SLEEPS = 'argv = { "sleep", "60" }'

describe("why", function()
  it("names a slot of the host and who has them", function()
    box = project.of(([[
      tg.cmd "a" { %s, priority = 9 }, tg.cmd "b" { %s, priority = 8 }, tg.cmd "c" { %s },
    ]]):format(SLEEPS, SLEEPS, SLEEPS))
    box:write("tidegate.yaml", YAML .. "limits: { tasks: 2 }\n")
    running(2)
    local reason = reason_of("slot", "c")
    assert.equal("waits for a slot of the host: 2 of 2 are taken by a, b", reason.text)
    assert.same({ 2, 2, 1 }, { reason.size, reason.taken, reason.needs })
    local run = id_of "p"
    assert.same({ run .. " p a nil 1", run .. " p b nil 1" }, takers(reason))
    assert.truthy(reason.since)
    assert.same({}, open_reasons("slot", "a"))
    assert.equal("c", reason_of("slot").task) -- of the run: the same
  end)

  it("names a pool of the project that another pipeline holds", function()
    box = project.new()
    box:pipeline("orders", [[tg.cmd "load" { pool = { warehouse = 2 }, argv = { "sleep", "60" } },]])
    box:write("tidegate.yaml", YAML .. "pools: { warehouse: 4 }\n")
    box:pipeline("p", [[
      tg.run "other" { pipeline = "orders" },
      tg.cmd "first" { shell = true, argv = "while ! test -e files/go; do sleep 0.02; done" },
      tg.cmd "a" { after = "first", pool = { warehouse = 3 }, argv = { "sleep", "60" } },
    ]])
    running(3)
    box:write("files/go", "")
    wait_for("SELECT state FROM tasks WHERE name = 'first'", "success")
    local reason = reason_of("pool", "a")
    assert.equal("waits for pool warehouse: 2 of 4 slots are taken by orders/load of run " ..
      id_of "orders" .. " (2); it needs 3", reason.text)
    assert.same({ "warehouse", 4, 2, 3 }, { reason.pool, reason.size, reason.taken, reason.needs })
    assert.same({ id_of "orders" .. " orders load nil 2" }, takers(reason))
    assert.same({}, open_reasons("slot", "a"))
  end)

  it("names who stands before it in the line for a pool", function()
    box = project.of(([[
      tg.cmd "a" { %s, pool = { db = 2 }, priority = 3 },
      tg.cmd "b" { %s, pool = { db = 2 }, priority = 2 },
      tg.cmd "c" { %s, pool = "db", priority = 1 },
    ]]):format(SLEEPS, SLEEPS, SLEEPS), "pools = { db = 3 },")
    running(1)
    local reason = reason_of("line", "c")
    assert.equal("waits behind b, which waits for pool db: 2 of 3 slots are taken by a (2); it needs 2; "
      .. "nobody overtakes in pool db", reason.text)
    assert.same({ "db", { run = id_of "p", pipeline = "p", task = "b" } }, { reason.pool, reason.behind })
    assert.same({}, open_reasons("slot", "c"))
    assert.same({}, open_reasons("line", "b"))
  end)

  it("names who of an older run stands before it in the line for a pool of the project", function()
    box = project.new()
    box:write("tidegate.yaml", YAML .. "pools: { db: 3 }\n")
    box:pipeline("older", ([[ tg.cmd "a" { %s, pool = { db = 2 }, priority = 3 },
      tg.cmd "b" { %s, pool = { db = 2 } }, ]]):format(SLEEPS, SLEEPS))
    box:pipeline("younger", ([[ tg.cmd "c" { %s, pool = "db" }, ]]):format(SLEEPS))
    box:pipeline("p", [[ tg.run "x" { pipeline = "older" },
      tg.cmd "wait" { shell = true, argv = "while ! test -e files/go; do sleep 0.02; done" },
      tg.run "y" { after = "wait", pipeline = "younger" }, ]])
    running(3)
    box:write("files/go", "")
    wait_for("SELECT state FROM runs WHERE pipeline = 'younger'", "running")
    local found = box:document("why", id_of "younger", "c").reasons
    assert.equal("line", found[1].kind)
    assert.equal(("waits behind older/b of run %s, which waits for pool db: 2 of 3 slots are taken by "
      .. "older/a of run %s (2); it needs 2; nobody overtakes in pool db"):format(id_of "older",
      id_of "older"), found[1].text)
    assert.equal(id_of "older", found[1].behind.run)
  end)

  it("names what there was no room in, of what has started since", function()
    local HALF = 'argv = { "sleep", "0.4" }'
    box = project.of(([[
      tg.cmd "a" { %s, pool = { db = 2 }, priority = 5 },
      tg.cmd "b" { %s, pool = { db = 2 }, priority = 4 },
      tg.cmd "c" { argv = { "true" }, pool = "db", priority = 3 },
    ]]):format(HALF, HALF), "pools = { db = 3 },")
    assert.equal(0, box:tidegate("run", "p").code)
    local function past(task)
      local reason = box:document("why", "last", task).reasons[1]
      assert.truthy(reason["until"])
      assert.truthy(reason.duration_ms >= 100)
      return reason
    end
    assert.equal("waited for pool db: 2 of 3 slots were taken by a (2); it needed 2", past("b").text)
    assert.same({ "pool", "a" }, { past("b").kind, past("b").taken_by[1].task })
    assert.equal("waited behind b, which waited for pool db: 2 of 3 slots were taken by a (2); it needed 2; "
      .. "nobody overtakes in pool db", past("c").text)
    assert.matches("^attempt 1: success", box:document("why", "last", "a").reasons[1].text)
    box:pipeline("p", ([[ tg.cmd "a" { %s, priority = 5 }, tg.cmd "b" { argv = { "true" } }, ]]):format(HALF),
      "limits = { tasks = 1 },")
    assert.equal(0, box:tidegate("run", "p").code)
    assert.equal("waited for limits.tasks of the pipeline: 1 of 1 tasks ran: a", past("b").text)
    box:write("tidegate.yaml", YAML .. "limits: { tasks: 1 }\n")
    box:pipeline("p", ([[ tg.cmd "a" { %s, priority = 5 }, tg.cmd "b" { argv = { "true" } }, ]]):format(HALF))
    assert.equal(0, box:tidegate("run", "p").code)
    assert.equal("waited for a slot of the host: 1 of 1 are taken by a", (past("b").text:gsub("were", "are")))
  end)

  it("names what a retry that was due had no room in", function()
    box = project.of([[
      tg.task "a" { retry = { attempts = 2, base = "50ms", backoff = "constant", jitter = "none" },
        priority = 9, run = function(ctx) if ctx.attempt == 1 then error { class = "transient" } end end },
      tg.cmd "b" { argv = { "sleep", "0.6" } },
    ]], "limits = { tasks = 1 },")
    assert.equal(0, box:tidegate("run", "p").code)
    local found = {}
    for _, reason in ipairs(box:document("why", "last", "a").reasons) do found[reason.kind] = reason end
    assert.matches("^waited for attempt 2", found.retry.text)
    assert.equal(found.retry["until"], found.tasks.since)
    assert.equal("waited for limits.tasks of the pipeline: 1 of 1 tasks ran: b", found.tasks.text)
  end)

  it("names limits.tasks of the pipeline", function()
    box = project.of([[
      tg.cmd "a" { argv = { "sleep", "60" }, priority = 1 }, tg.cmd "b" { argv = { "true" } },
    ]], "limits = { tasks = 1 },")
    running(1)
    local reason = reason_of("tasks", "b")
    assert.equal("waits for limits.tasks of the pipeline: 1 of 1 tasks run: a", reason.text)
    assert.same({ 1, 1 }, { reason.size, reason.taken })
  end)

  it("tells of the first tasks that wait, and how many more there are", function()
    local tasks = { 'tg.cmd "a" { argv = { "sleep", "60" }, priority = 1 },' }
    for i = 1, 7 do tasks[#tasks + 1] = ('tg.cmd "w%d" { argv = { "true" } },'):format(i) end
    box = project.of(table.concat(tasks, "\n"))
    box:write("tidegate.yaml", YAML .. "limits: { tasks: 1 }\n")
    running(1)
    local reasons = open_reasons "slot"
    assert.equal(6, #reasons)
    assert.same({ "w1", "w5" }, { reasons[1].task, reasons[5].task })
    assert.equal("2 more tasks could start but did not yet", reasons[6].text)
  end)

  it("names a map's limit and the items that are in it", function()
    box = project.of [[
      tg.map "m" { over = function() return { 1, 2, 3, 4, 5 } end, limit = 2,
        run = function(ctx) ctx:sleep("60s") return 1 end },
    ]]
    begin("SELECT count(*) FROM steps WHERE wake_at", "2")
    local reason = reason_of("limit", "m")
    assert.equal("3 items wait for the map's limit: 2 of 2 are at work: m[0], m[1]", reason.text)
    assert.same({ 2, 2, 3, { 0, 1 } }, { reason.size, reason.taken, reason.waiting, reason.items })
  end)

  it("names the keys of a map's items that have their limit", function()
    box = project.of [[
      tg.map "m" { over = function() return { "EU", "EU", "EU", "US" } end, limit_per_key = 1,
        key = function(_, item) return item end,
        run = function(ctx) ctx:sleep("60s") return 1 end },
    ]]
    begin("SELECT count(*) FROM steps WHERE wake_at", "2")
    local reason = reason_of("key", "m")
    assert.equal('2 items of key "EU" wait for limit_per_key: 1 of 1 are at work', reason.text)
    assert.same({ "EU", 1, 1, 2 }, { reason.key, reason.size, reason.taken, reason.waiting })
  end)

  it("says until when a retry is waited for, and what gave the delay", function()
    box = project.of [[
      tg.cmd "a" { argv = { "false" },
        retry = { attempts = 3, base = "10m", cap = "10m", backoff = "constant", jitter = "none",
          on = { "permanent", "transient" } } },
      tg.task "b" { retry = { attempts = 3, base = "1ms", jitter = "none" }, run = function(ctx)
          return require("tidegate.http").get("http://127.0.0.1:PORT/status/503?retry_after=600"):check()
        end },
    ]]
    local path = "pipelines/p.lua"
    box:write(path, (box:read(path):gsub("PORT", box:serve())))
    begin("SELECT count(*) FROM attempts WHERE retry_at", "2")
    local reason = reason_of("retry", "a")
    assert.matches("^waits for attempt 2 until %S+Z: 10m00s by its backoff %(constant%)$", reason.text)
    assert.truthy(reason.text:find(reason.retry_at, 1, true))
    assert.matches("until %S+Z: the remote asked for 10m00s, the backoff gives 1ms$",
      reason_of("retry", "b").text)
    assert.same({}, open_reasons("slot", "a"))
  end)

  it("tells of the items that wait for an instant as one", function()
    box = project.of [[
      tg.map "m" { over = function() return { 1, 2, 3, 4, 5 } end,
        retry = { attempts = 2, base = "10m", jitter = "none" },
        run = function(ctx, item) if item < 3 then ctx:sleep("60s") else error "no luck" end end },
    ]]
    begin("SELECT (SELECT count(*) FROM steps WHERE wake_at) || ' ' || count(*) FROM attempts " ..
      "WHERE retry_at", "2 3")
    local sleep, retry = reason_of("sleep", "m"), reason_of("retry", "m")
    assert.equal(("2 items asleep, m[%d] until %s"):format(sleep.item, sleep.wake_at), sleep.text)
    assert.matches("^3 items waiting for a next attempt, m%[%d%] until ", retry.text)
    assert.same({ 2, 3 }, { sleep.waiting, retry.waiting })
  end)

  it("says until when a task sleeps", function()
    box = project.of [[
      tg.task "a" { run = function(ctx) ctx:sleep("60s") return 1 end },
    ]]
    begin("SELECT count(*) FROM steps WHERE wake_at", "1")
    local reason = reason_of("sleep", "a")
    assert.truthy(reason.text:find("sleeps until " .. reason.wake_at, 1, true))
    assert.same({}, open_reasons("slot", "a"))
  end)

  it("does not name who sleeps among those that have a slot", function()
    box = project.of [[
      tg.task "a" { priority = 9, run = function(ctx)
        local file = require "tidegate.file"
        repeat until file.read "files/go"
        ctx:sleep("60s")
      end },
      tg.cmd "b" { argv = { "sleep", "60" }, priority = 8 }, tg.cmd "c" { argv = { "true" } },
    ]]
    box:write("tidegate.yaml", YAML .. "limits: { tasks: 1 }\n")
    running(1)
    box:write("files/go", "")
    wait_for("SELECT group_concat(state) FROM attempts", "running,running")
    assert.equal("waits for a slot of the host: 1 of 1 are taken by b", reason_of("slot", "c").text)
  end)

  it("names the child run that a parent waits for, which takes no slot meanwhile", function()
    box = project.of [[tg.run "a" { pipeline = "c" },]]
    box:pipeline("c", [[
      tg.cmd "work" { argv = { "sleep", "60" }, priority = 1 }, tg.cmd "next" { argv = { "true" } },
    ]])
    box:write("tidegate.yaml", YAML .. "limits: { tasks: 1 }\n")
    running(2)
    local reason = reason_of("child", "a")
    assert.equal(id_of "c", reason.run)
    assert.equal(("waits for child run %s of c: running"):format(reason.run), reason.text)
    local slot = box:document("why", reason.run, "next").reasons
    assert.equal("waits for a slot of the host: 1 of 1 are taken by work", slot[#slot].text)
  end)
end)
