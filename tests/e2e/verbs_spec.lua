-- SPDX-License-Identifier: Apache-2.0
-- The command line as programs and people use it: documents, exit codes, verbs, options, terminals.
local project = require "support.project"

local box
local function of(...) box = project.of(...) return box end
after_each(function() if box then box:close() end box = nil end)

local function keys(map)
  local names = {}
  for name in pairs(map) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local TWO = [[
  tg.task "a" { run = function(ctx) ctx:log "hello" end },
  tg.task "b" { after = "a", tags = "late", run = function() error "boom" end },
]]

describe("run -o json", function()
  it("prints one object with the run and its tasks", function()
    of(TWO)
    local document, result = box:document("run", "p")
    assert.equal(1, result.code)
    assert.equal(1, document.schema_version)
    local run = document.run
    assert.matches("^%x+%-%x+%-7%x+%-%x+%-%x+$", run.id)
    assert.same({ "p", "failed" }, { run.pipeline, run.state })
    assert.matches("^%d+%-%d+%-%d+T%d+:%d+:%d+%.%d+Z$", run.started_at)
    assert.matches("^%d+%-%d+%-%d+T%d+:%d+:%d+%.%d+Z$", run.ended_at)
    assert.matches("^%x+$", run.bundle)
    assert.equal(2, #run.tasks)
    assert.same({ "a", "success", 1 }, { run.tasks[1].name, run.tasks[1].state, run.tasks[1].attempts })
    assert.same({ "b", "failed" }, { run.tasks[2].name, run.tasks[2].state })
    assert.same({ "class", "code", "message" }, keys(run.tasks[2].error))
    assert.not_matches('"error": null,\n%s*"tasks"', result.out)
    for _, name in ipairs { "name", "state", "attempts", "started_at", "ended_at", "error" } do
      assert.matches(('"%s":'):format(name), result.out)
    end
  end)

  it("prints it as one line with jsonl, and nothing on stdout as text", function()
    of(TWO)
    local result = box:tidegate("run", "p", "-o", "jsonl")
    assert.equal(1, select(2, result.out:gsub("\n", "")))
    assert.equal("b", project.json(result.out).run.tasks[2].name)
    assert.equal("", box:tidegate("run", "p").out)
  end)
end)

describe("PIPELINE", function()
  it("is the name of a file, of a pipeline in another file, or a path", function()
    of(TWO)
    box:write("pipelines/other.lua",
      'local tg = require "tidegate" return tg.pipeline "named" { tasks = { tg.cmd "c" { argv = { "true" } } } }')
    for _, name in ipairs { "named", "pipelines/other.lua", "./pipelines/other.lua",
      box.dir .. "/pipelines/other.lua" } do
      local result = box:tidegate("run", name)
      assert.equal(0, result.code, result.err)
    end
    local result = box:call({ "run", "other.lua" }, { cwd = box.dir .. "/pipelines" })
    assert.equal(0, result.code, result.err)
    result = box:call({ "run", box.dir .. "/pipelines/other.lua" }, { cwd = "/" })
    assert.equal(0, result.code, result.err)
  end)

  it("that does not exist is told, with the nearest", function()
    of(TWO)
    box:pipeline("orders", TWO)
    local result = box:tidegate("run", "order")
    assert.equal(2, result.code)
    assert.matches("no pipeline 'order'", result.err)
    assert.matches("did you mean 'orders'", result.err)
    result = box:tidegate("run", "pipelines/none.lua")
    assert.equal(2, result.code)
    assert.matches("pipelines/none.lua", result.err)
  end)
end)

describe("the verbs for history", function()
  it("say where there is nothing yet", function()
    of(TWO)
    assert.equal(0, box:tidegate("runs").code)
    for _, verb in ipairs { "show", "logs", "why" } do
      local result = box:tidegate(verb, "last")
      assert.equal(2, result.code)
      assert.matches("no runs", result.err)
    end
  end)

  it("take an id, a unique prefix, or last", function()
    of(TWO)
    local first, second = box:run(), box:run()
    assert.not_equal(first.id, second.id)
    assert.equal(first.id, box:document("show", first.id).run.id)
    assert.equal(first.id, box:document("show", first.id:sub(1, 30)).run.id)
    assert.equal(second.id, box:document("show", "last").run.id)
    local result = box:tidegate("show", first.id:sub(1, 2))
    assert.equal(2, result.code)
    assert.matches("several runs", result.err)
    result = box:tidegate("show", "zz")
    assert.equal(2, result.code)
    assert.same({ second.id, first.id },
      { box:document("runs").runs[1].id, box:document("runs").runs[2].id })
    assert.equal(1, #box:document("runs", "--limit", "1").runs)
    assert.equal(0, #box:document("runs", "--state", "success").runs)
    assert.equal(2, #box:document("runs", "--pipeline", "p").runs)
  end)

  it("tell what a task wrote and why it ended so", function()
    of(TWO)
    box:run()
    assert.matches("hello", box:tidegate("logs", "last").out)
    assert.equal("", box:tidegate("logs", "last", "b").out)
    local logs = box:document("logs", "last", "a").logs
    assert.same({ "a", 1, "info", "hello" },
      { logs[1].task, logs[1].attempt, logs[1].stream, logs[1].text })
    assert.matches("boom", box:tidegate("why", "last").out)
    local reasons = box:document("why", "last", "b").reasons
    assert.equal("upstream", reasons[1].kind)
    assert.matches("failed", reasons[#reasons].text)
    local result = box:tidegate("why", "last", "bb")
    assert.equal(2, result.code)
    assert.matches("bb", result.err)
  end)
end)

describe("graph", function()
  it("draws as text, dot, mermaid and JSON", function()
    of(TWO)
    assert.matches("b%s+task%s+after a", box:tidegate("graph", "p").out)
    local dot = box:tidegate("graph", "p", "--format", "dot").out
    assert.matches("digraph", dot)
    assert.matches('"a" %-> "b"', dot)
    local mermaid = box:tidegate("graph", "p", "--format", "mermaid").out
    assert.matches("^flowchart", mermaid)
    assert.matches("%-%->", mermaid)
    local graph = project.json(box:tidegate("graph", "p", "--format", "json").out)
    assert.same({ { from = "a", to = "b" } }, graph.graph.edges)
    assert.equal(2, box:tidegate("graph", "p", "--format", "png").code)
  end)
end)

describe("check", function()
  it("is silent on stdout when all is well and writes nothing to the project", function()
    of(TWO)
    local result = box:tidegate("check")
    assert.same({ 0, "" }, { result.code, result.out })
    assert.same({ 1, {} }, { box:document("check").files, box:document("check").faults })
    assert.is_nil(box:read ".tidegate/lock")
  end)
end)

describe("doctor, version, help and completion", function()
  it("answer as text and JSON", function()
    of(TWO)
    local checks = box:document("doctor").checks
    assert.is_true(#checks > 5)
    for _, check in ipairs(checks) do assert.not_equal("fail", check.status, check.found) end
    local version = box:document("version").version
    assert.matches("^%d+%.%d+%.%d+$", version)
    assert.equal("tidegate " .. version .. "\n", box:tidegate("--version").out)
    local help = box:tidegate("help").out
    for _, verb in ipairs { "run", "check", "graph", "runs", "show", "logs", "why", "doctor",
      "version" } do
      assert.matches("\n  " .. verb .. " ", help)
      local own = box:tidegate("help", verb)
      assert.equal(0, own.code)
      assert.matches("usage: tidegate " .. verb, own.out)
      assert.matches("Examples:", own.out)
      assert.equal(own.out, box:tidegate(verb, "--help").out)
    end
    for _, shell in ipairs { "bash", "zsh", "fish" } do
      assert.matches("graph", box:tidegate("completion", shell).out)
    end
  end)
end)

describe("a wrong command line", function()
  it("is told with what is right, exit code 2", function()
    of(TWO)
    for _, case in ipairs {
      { {}, "tidegate help" }, { { "rnu", "p" }, "run" }, { { "run" }, "PIPELINE" },
      { { "run", "p", "q" }, "q" }, { { "run", "--prm", "p" }, "no option %-%-prm" },
      { { "run", "p", "--at", "yesterday" }, "yesterday" }, { { "-o", "xml", "runs" }, "json" },
      { { "runs", "--limit", "many" }, "many" }, { { "run", "p", "--select" }, "select" },
      { { "run", "p", "--select", "nothing" }, "selects no task" },
      { { "--project", "/no/such/folder", "runs" }, "/no/such/folder" },
      { { "help", "rnu" }, "run" },
    } do
      local result = box:call(case[1])
      assert.equal(2, result.code, table.concat(case[1], " "))
      assert.matches(case[2], result.err)
      assert.equal("", result.out)
    end
  end)
end)

describe("options and their twins in the environment", function()
  it("name the project and the data folder", function()
    of(TWO)
    local elsewhere = { cwd = "/", env = { TIDEGATE_PROJECT = box.dir, TIDEGATE_DATA = box.dir .. "/d",
      TIDEGATE_OUTPUT = "json" } }
    assert.equal("p", project.json(box:call({ "run", "p" }, elsewhere).out).run.pipeline)
    assert.is_string(box:read "d/lock")
    assert.is_nil(box:read ".tidegate/lock")
    assert.equal(1, #box:document("--data", box.dir .. "/d", "runs").runs)
    assert.equal(0, #box:document("runs").runs)
    assert.equal(2, box:call({ "runs" }, { env = { TIDEGATE_OUTPUT = "xml" } }).code)
  end)

  it("lay an environment's settings over the project's", function()
    of [[ tg.task "a" { run = function() return require("tidegate.file").read "prod/x" end }, ]]
    box:write("prod/x", "of prod")
    box:write("env/prod.yaml", "files: [prod]\n")
    assert.equal("failed", box:run().state)
    assert.equal("of prod", box:run({ "p", "--env", "prod" }).by_name.a.output)
    assert.equal("of prod", box:run({ "p" }, { env = { TIDEGATE_ENV = "prod" } }).by_name.a.output)
    assert.equal(2, box:tidegate("run", "p", "--env", "none").code)
  end)

  it("make it quiet, and the log JSON", function()
    of(TWO)
    assert.equal("", box:tidegate("-q", "run", "p").err)
    for line in box:tidegate("--log-format", "json", "run", "p").err:gmatch "[^\n]+" do
      if not line:find "^tidegate:" and not line:find "^  tidegate" then project.json(line) end
    end
  end)
end)

describe("--select", function()
  it("runs a part of the graph on what the last run left", function()
    of [[
      tg.task "a" { run = function() return 1 end },
      tg.task "b" { after = "a", tags = { "x" }, run = function(ctx) return ctx.output.a + 1 end },
      tg.task "c" { after = "b", run = function(ctx) return ctx.output.b + 1 end },
      tg.task "d" { run = function() end },
    ]]
    local result = box:tidegate("run", "p", "--select", "c")
    assert.equal(2, result.code)
    assert.matches("waits for a, which did not succeed", result.err)
    assert.same({ a = "success", b = "success", c = "skipped", d = "skipped" },
      box:run({ "p", "--select", "+b" }).states)
    local run = box:run { "p", "--select", "c d" }
    assert.same({ a = "success", b = "success", c = "success", d = "success" }, run.states)
    assert.same({ 0, 0, 1, 1 }, { run.by_name.a.attempts, run.by_name.b.attempts,
      run.by_name.c.attempts, run.by_name.d.attempts })
    assert.equal(3, run.by_name.c.output)
    run = box:run { "p", "--select", "tag:x+" }
    assert.same({ 0, 1, 1, 0 }, { run.by_name.a.attempts, run.by_name.b.attempts,
      run.by_name.c.attempts, run.by_name.d.attempts })
    assert.equal("success", box:run({ "p", "--select", "[ab]" }).states.a)
  end)
end)

describe("on a terminal", function()
  -- script(1) gives the program a terminal. Where /dev/pts is not there (a bare chroot) one is made
  -- in a mount namespace of its own.
  local function typed(arguments, env)
    local command = ("cd %s && stty cols 100 && %s; echo code=$?"):format(project.quote(box.dir),
      project.command(arguments, { env = env }))
    local typescript = ("timeout 60 script -qec %s /dev/null </dev/null"):format(project.quote(command))
    local pts = "mount -t devpts -o newinstance,ptmxmode=0666 devpts /dev/pts"
    local _, out = project.shell(("test -e /dev/pts/ptmx && { %s; exit; }; unshare -m --propagation unchanged sh -c %s"):format(
      typescript, project.quote(pts .. " && " .. typescript)))
    return out
  end

  local SLOW = [[
    tg.task "counts" { run = function(ctx)
      for i = 1, 4 do ctx:progress(i, 4) ctx:sleep("150ms") end
    end },
  ]]

  it("run shows a live line for each running task, in colours", function()
    of(SLOW)
    local out = typed { "run", "p" }
    assert.matches("code=0", out)
    assert.matches("\27%[%d*A", out) -- goes up to draw over what it drew
    assert.matches("50%%", out)
    assert.matches("\27%[3%dm", out)
    assert.matches("success", out)
  end)

  it("NO_COLOR and --color never are obeyed, --color always works on a pipe", function()
    of(SLOW)
    assert.not_matches("\27%[3%dm", typed({ "run", "p" }, { NO_COLOR = "1" }))
    assert.not_matches("\27%[3%dm", typed { "--color", "never", "run", "p" })
    assert.matches("\27%[3%dm", box:tidegate("--color", "always", "run", "p").err)
    assert.not_matches("\27", box:tidegate("run", "p").err)
  end)

  it("what a task writes cannot steer the terminal", function()
    of [[ tg.task "a" { run = function(ctx) ctx:log "\27]0;title\7\27[2J" error "\27[31mred" end }, ]]
    local result = box:tidegate("run", "p")
    assert.not_matches("\27", result.err)
    assert.not_matches("\27", box:tidegate("logs", "last").out)
    assert.not_matches("\27", box:tidegate("show", "last").out)
    assert.not_matches("\27", box:tidegate("why", "last").out)
  end)
end)

describe("a reader that goes away", function()
  it("does not end a run", function()
    of [[ tg.task "a" { run = function(ctx)
      for i = 1, 50 do ctx:log("line %d", i) ctx:sleep("2ms") end
    end }, ]]
    project.shell(("cd %s && (%s 2>&1; echo $? >files/code) | true"):format(project.quote(box.dir),
      project.command { "run", "p" }))
    assert.equal("0\n", box:read "files/code")
    assert.equal("success", box:document("show", "last").run.state)
  end)
end)

describe("standard streams that are closed", function()
  it("are as if they led nowhere", function()
    of(TWO)
    for _, closed in ipairs { "<&-", ">&-", "2>&-", "<&- >&- 2>&-" } do
      local code = project.shell(("cd %s && %s %s"):format(project.quote(box.dir),
        project.command { "-q", "-o", "json", "run", "p" }, closed))
      assert.equal(1, code)
    end
    assert.equal(4, #box:document("runs").runs)
    assert.equal("ok", box:sql "PRAGMA integrity_check")
  end)
end)
