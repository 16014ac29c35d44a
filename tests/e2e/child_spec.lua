-- SPDX-License-Identifier: Apache-2.0
-- Pipelines that start others by tg.run, by the real binary.
local project = require "support.project"

local box
after_each(function() if box then box:close() end box = nil end)

---Makes a project of "p" and "child".
local function of(parent, child, fields)
  box = project.of(parent)
  box:pipeline("child", child, fields)
end

local function log() return table.concat(box:lines "files/log", " ") end

-- Kills the host of a run in the background once its child is at work, and a query of its store
-- tells 1.
local function killed(query)
  project.shell(([[cd %s && { %s >/dev/null 2>&1 & pid=$!
    for i in $(seq 2000); do
      [ -s files/up ] && [ "$(sqlite3 .tidegate/state.db %s 2>/dev/null)" = 1 ] && break
      sleep 0.01
    done
    kill -9 $pid; wait $pid; } 2>/dev/null]]):format(
    project.quote(box.dir), project.command { "run", "p" }, project.quote(query or "SELECT 1")))
  assert.truthy(box:read "files/up")
end

describe("tg.run", function()
  it("gives its child parameters and has its outputs", function()
    of([[
      tg.task "n" { run = function() return 20 end },
      tg.run "child" { after = "n", pipeline = "child",
        params = function(ctx) return { n = ctx.output.n } end },
      tg.task "last" { after = "child",
        run = function(ctx) return ctx.output.child.outputs.add end },
    ]], [[ tg.task "add" { run = function(ctx) return ctx.params.n + 1 end }, ]],
      "params = { n = tg.int { default = 0 } },")
    local run, result = box:run()
    assert.equal("success", run.state, result.err)
    assert.equal(21, run.by_name.last.output)
    assert.equal("2", box:sql "SELECT count(*) FROM runs WHERE state = 'success'")
    assert.equal(run.id, box:sql "SELECT parent FROM runs WHERE pipeline = 'child'")
  end)

  it("fails with its child, and says which run that was", function()
    of([[ tg.run "child" { pipeline = "child" }, ]],
      [[ tg.task "bad" { run = function() error "no luck" end }, ]])
    local run, result = box:run()
    assert.equal(1, result.code)
    local child = box:sql "SELECT id FROM runs WHERE pipeline = 'child'"
    assert.truthy(run.by_name.child.error.message:find(child, 1, true))
    assert.equal("failed", box:document("show", child).run.state)
  end)

  it("fails when there is no such pipeline, or it has faults", function()
    of([[ tg.run "child" { pipeline = "child" }, ]], "tg.nothing {},")
    local run = box:run()
    assert.matches("tg.nothing", run.by_name.child.error.message)
    os.remove(box.dir .. "/pipelines/child.lua")
    run = box:run()
    assert.matches("child", run.by_name.child.error.message)
  end)

  it("finds its child again when the host was killed, and nothing of it runs again", function()
    of([[
      tg.cmd "before" { shell = true, argv = "echo before >>files/log" },
      tg.run "child" { after = "before", pipeline = "child" },
      tg.cmd "after" { after = "child", shell = true, argv = "echo after >>files/log" },
    ]], [[
      tg.cmd "one" { shell = true, argv = "echo one >>files/log" },
      tg.cmd "two" { after = "one", shell = true,
        argv = "echo up >files/up; while test -e files/wait; do sleep 0.01; done" },
      tg.cmd "three" { after = "two", shell = true, argv = "echo three >>files/log" },
    ]])
    box:write("files/wait", "")
    killed()
    local child = box:sql "SELECT id FROM runs WHERE pipeline = 'child'"
    os.remove(box.dir .. "/files/wait")
    local run = box:run()
    assert.equal("success", run.state)
    assert.equal("before one three after", log())
    assert.equal(child, run.by_name.child.output.run)
    assert.equal("2", box:sql "SELECT count(*) FROM runs")
    assert.equal("2", box:sql "SELECT count(*) FROM runs WHERE state = 'success'")
  end)

  it("goes on with the next run when its host was killed after its parent had ended", function()
    of([[ tg.run "child" { pipeline = "child", wait = false }, ]], [[
      tg.cmd "one" { shell = true,
        argv = "echo one >>files/log; echo up >files/up; while test -e files/wait; do sleep 0.01; done" },
      tg.cmd "two" { after = "one", shell = true, argv = "echo two >>files/log" },
    ]])
    box:write("files/wait", "")
    killed "SELECT count(*) FROM runs WHERE state = 'success'"
    os.remove(box.dir .. "/files/wait")
    box:pipeline("q", [[ tg.task "a" { run = function() end }, ]])
    assert.equal("success", box:run({ "q" }).state)
    assert.equal("1", box:sql "SELECT count(*) FROM runs WHERE state = 'running'")
    assert.equal("success", box:run().state)
    assert.equal("0", box:sql "SELECT count(*) FROM runs WHERE state <> 'success'")
    assert.equal("5", box:sql "SELECT count(*) FROM runs") -- two of p, a child each, and q
  end)

  it("is refused where a pipeline starts itself, and ends where two start each other", function()
    of([[ tg.run "child" { pipeline = "p" }, ]], "")
    assert.equal(2, box:tidegate("run", "p").code)
    box:pipeline("p", [[ tg.run "a" { pipeline = "child" }, ]])
    box:pipeline("child", [[ tg.run "b" { pipeline = "p" }, ]])
    local run, result = box:run()
    assert.equal(1, result.code)
    assert.equal("failed", run.state)
    assert.equal("0", box:sql "SELECT count(*) FROM runs WHERE state <> 'failed'")
    assert.equal("2", box:sql "SELECT count(*) FROM runs")
    assert.matches('a run of pipeline "p" led to this one: it would start itself', result.err)
    local ring = "pipelines/p.lua:%d: run \"a\": it would start itself, without end: " ..
      "it starts child, which starts p"
    assert.matches(ring:format(5), box:tidegate("check").out, 1, true)
    assert.matches(ring:format(5), box:tidegate("check", "pipelines/p.lua").out, 1, true)
  end)

  it("that is not there is told, in a check of its parent alone too", function()
    of([[ tg.run "child" { pipeline = "chidl" }, ]], [[ tg.task "a" { run = print }, ]])
    local checked = box:tidegate("check", "pipelines/p.lua")
    assert.equal(2, checked.code)
    assert.matches('p.lua:%d: run "child": there is no pipelines/chidl.lua; did you mean ' ..
      'pipelines/child.lua?', checked.out)
    local result = box:tidegate("run", "p")
    assert.equal(1, result.code)
    assert.matches('there is no pipeline "chidl": cannot open pipelines/chidl.lua', result.err)
  end)

  it("that nobody waits for goes on with its parent when the host was killed", function()
    of([[
      tg.run "child" { pipeline = "child", wait = false },
      tg.cmd "last" { after = "child", shell = true,
        argv = "while test -e files/wait; do sleep 0.01; done" },
    ]], [[
      tg.cmd "one" { shell = true,
        argv = "echo up >files/up; while test -e files/wait; do sleep 0.01; done" },
      tg.cmd "two" { after = "one", shell = true, argv = "echo two >>files/log" },
    ]])
    box:write("files/wait", "")
    killed()
    os.remove(box.dir .. "/files/wait")
    assert.equal("success", box:run().state)
    assert.equal("two", log())
    assert.equal("2", box:sql "SELECT count(*) FROM runs WHERE state = 'success'")
  end)
end)
