-- SPDX-License-Identifier: Apache-2.0
-- What is wrong is told: what, where, what to do; and nothing that was there is lost by it.
local project = require "support.project"

local box
local function of(...) box = project.of(...) return box end
after_each(function() if box then box:close() end box = nil end)

local HEAD = 'local tg = require "tidegate"\n'

-- A pipeline's text and what the error must say, with its place.
local FAULTY = {
  ["a syntax error"] = {
    HEAD .. "return tg.pipeline 'p' {\n  tasks = { tg.task 'a' { run = function( end } } }",
    "pipelines/p.lua:3:" },
  ["an unknown word"] = {
    HEAD .. "return tg.pipeline 'p' {\n tasks = { tg.taks 'a' { run = function() end } } }",
    "pipelines/p.lua:3:.*taks.*task" },
  ["an unknown field"] = {
    HEAD .. "return tg.pipeline 'p' {\n tasks = { tg.task 'a' { rum = function() end } } }",
    "pipelines/p.lua:3:.*rum.*run" },
  ["a wrong type"] = {
    HEAD .. "return tg.pipeline 'p' {\n tasks = { tg.task 'a' { run = 7 } } }",
    "pipelines/p.lua:3:.*run must be a function" },
  ["a wrong duration"] = {
    HEAD .. "return tg.pipeline 'p' {\n tasks = { tg.cmd 'a' { argv = { 'x' }, timeout = 30 } } }",
    "pipelines/p.lua:3:.*timeout" },
  ["a cycle"] = {
    HEAD .. [[return tg.pipeline 'p' { tasks = {
  tg.cmd 'a' { argv = { 'x' }, after = 'c' },
  tg.cmd 'b' { argv = { 'x' }, after = 'a' },
  tg.cmd 'c' { argv = { 'x' }, after = 'b' } } }]],
    "pipelines/p.lua:%d:.*a %-> b %-> c %-> a" },
  ["an after that names nothing"] = {
    HEAD .. "return tg.pipeline 'p' { tasks = { tg.cmd 'first' { argv = { 'x' } },\n" ..
      "tg.cmd 'b' { argv = { 'x' }, after = 'frist' } } }",
    "pipelines/p.lua:3:.*frist.*first" },
  ["a duplicate task name"] = {
    HEAD .. "return tg.pipeline 'p' { tasks = { tg.cmd 'a' { argv = { 'x' } },\n" ..
      "tg.cmd 'a' { argv = { 'x' } } } }",
    "pipelines/p.lua:3:.*\"a\".*pipelines/p.lua:2" },
  ["an unknown rule"] = {
    HEAD .. "return tg.pipeline 'p' {\n tasks = { tg.cmd 'a' { argv = { 'x' }, when = 'all_sucess' } } }",
    "pipelines/p.lua:3:.*all_success" },
  ["nothing returned"] = { HEAD, "pipelines/p.lua.*must return a pipeline" },
  ["an error while loading"] = { HEAD .. "\nerror 'boom'", "pipelines/p.lua:3: boom" },
  ["a file of the project that is not there"] = {
    HEAD .. "local x = require 'lib.dates'\n", "lib.dates" },
  ["a module that is not allowed"] = { HEAD .. "local x = require 'io'\n", "io" },
  ["bytecode"] = { "\27Lua" .. ("\0"):rep(40), "pipelines/p.lua" },
  ["an sql file that is not there"] = {
    HEAD .. "return tg.pipeline 'p' {\n tasks = { tg.sql 'a' { file = 'none.sql' } } }",
    "pipelines/p.lua:3:.*none.sql" },
  ["a contract that is not there"] = {
    HEAD .. "return tg.pipeline 'p' {\n tasks = { tg.gate 'a' { contract = 'none' } } }",
    "pipelines/p.lua:3:.*contracts/none.yaml" },
  ["a policy that is not there"] = {
    HEAD .. "return tg.pipeline 'p' {\n tasks = { tg.branch 'a' { decide = tg.policy 'none', to = 'b' },"
      .. " tg.cmd 'b' { argv = { 'x' } } } }",
    "pipelines/p.lua:3:.*policies/none.lua" },
}

describe("a pipeline with", function()
  for what, case in pairs(FAULTY) do
    it(what .. " is told with its place; check and run say the same, and the old run is kept", function()
      of [[ tg.task "a" { run = function() return 1 end }, ]]
      box:run()
      box:write("pipelines/p.lua", case[1])
      for _, verb in ipairs { "check", "run", "graph" } do
        local result = box:tidegate(verb, verb == "check" and "pipelines/p.lua" or "p")
        assert.equal(2, result.code, verb .. result.err)
        assert.matches(case[2], result.out .. result.err)
        assert.not_matches("lua/tidegate/", result.out .. result.err) -- not the library's own lines
      end
      assert.is_true(#box:document("check").faults >= 1)
      assert.same("success", box:document("show", "last").run.state)
      assert.equal(1, #box:document("runs").runs)
    end)
  end

  it("no end while loading is stopped", function()
    of ""
    box:write("pipelines/p.lua", "while true do end")
    local result = box:tidegate("check")
    assert.equal(2, result.code)
    assert.matches("pipelines/p.lua.*10 s", result.out .. result.err)
  end)

  it("many faults tells them all, of all files", function()
    of [[ tg.task "a" { rum = 1 }, tg.taks "b" {}, tg.cmd "c" { argv = {}, after = "z" }, ]]
    box:write("pipelines/q.lua", "return 7")
    local faults = box:document("check").faults
    assert.is_true(#faults >= 5, #faults)
    for _, fault in ipairs(faults) do assert.is_true(fault.line ~= nil and fault.file ~= nil) end
  end)
end)

describe("a contract with", function()
  local function contract(text)
    of [[
      tg.sql "silver" { query = "SELECT 1 AS id", into = "silver_x" },
      tg.gate "gate" { after = "silver", contract = "silver_x" },
    ]]
    box:write("contracts/silver_x.yaml", text)
    local result = box:tidegate("run", "p")
    assert.equal(2, result.code)
    return result.err
  end

  it("an unknown operator is told with line and column", function()
    local err = contract [[
apiVersion: v3.1.0
kind: DataContract
id: silver_x
version: 1.0.0
status: active
schema:
  - name: silver_x
    quality:
      - metric: rowCount
        mustBeGreatThan: 0
]]
    assert.matches("contracts/silver_x.yaml:10:%d+:.*mustBeGreatThan.*mustBeGreaterThan", err)
  end)

  it("a bomb of aliases is refused, as is depth and what is no YAML", function()
    local bomb = { "a: &a [x,x,x,x,x,x,x,x,x]" }
    for i = string.byte "b", string.byte "i" do
      local alias = ("*%c,"):format(i - 1):rep(9)
      bomb[#bomb + 1] = ("%c: &%c [%s]"):format(i, i, alias:sub(1, -2))
    end
    assert.matches("contracts/silver_x.yaml:%d+:%d+:", contract(table.concat(bomb, "\n")))
    assert.matches("contracts/silver_x.yaml:%d+:%d+:", contract(("["):rep(5000)))
    assert.matches("contracts/silver_x.yaml:%d+:%d+:", contract("a: 'x\n"))
    assert.matches("contracts/silver_x.yaml", contract(("a"):rep(2 << 20)))
    assert.matches("contracts/silver_x.yaml", contract "a: &a [*a]")
    assert.matches("contracts/silver_x.yaml", contract "")
  end)
end)

describe("a task that returns", function()
  -- What it returns, and what the error must say.
  local RETURNS = {
    ["a function"] = { "return print", "function" },
    ["a function deep in a table"] = { "return { a = { b = function() end } }", "a.b" },
    ["a cyclic table"] = { "local t = {} t.t = t return t", "cycl" },
    ["a coroutine"] = { "return coroutine.create(print)", "thread" },
    ["a table with keys of two kinds"] = { "return { 1, x = 2 }", "both places and names" },
    ["a number that JSON has not"] = { "return 0/0", "not finite" },
    ["a gibibyte"] = {
      "local s = ('x'):rep(2^26) local t = {} for i = 1, 16 do t[i] = s end return t", "MiB" },
    ["20 MiB"] = { "return ('x'):rep(20 * 2^20)", "8 MiB" },
    ["depth"] = { "local t = {} for i = 1, 1000 do t = { t } end return t", "inside one another" },
    ["what is not UTF-8"] = { "return { '\\xff\\xfe' }", "UTF%-8" },
  }

  for what, case in pairs(RETURNS) do
    it(what .. " fails alone", function()
      of(([[
        tg.task "bad" { timeout = "30s", run = function() %s end },
        tg.task "good" { run = function(ctx) ctx:sleep("50ms") return "fine" end },
      ]]):format(case[1]))
      local run, result = box:run()
      assert.equal(1, result.code)
      assert.same({ bad = "failed", good = "success" }, run.states)
      assert.matches(case[2], run.by_name.bad.error.message)
      assert.equal(1, run.by_name.bad.attempts)
    end)
  end
end)

describe("a command", function()
  it("that does not exist, may not run, or has no folder is told", function()
    of [[
      tg.cmd "none" { argv = { "/no/such/program" } },
      tg.cmd "unknown" { argv = { "no-such-program-in-path" } },
      tg.cmd "text" { argv = { "/etc/passwd" } },
      tg.cmd "folder" { argv = { "true" }, cwd = "none" },
      tg.cmd "signal" { shell = true, argv = "kill -SEGV $$" },
      tg.cmd "code" { shell = true, argv = "echo went wrong >&2; exit 7" },
    ]]
    local run = box:run()
    for _, task in ipairs(run.tasks) do assert.equal("failed", task.state) end
    assert.matches("/no/such/program", run.by_name.none.error.message)
    assert.equal("spawn", run.by_name.none.error.code)
    assert.matches("no%-such%-program", run.by_name.unknown.error.message)
    assert.matches("may not be executed", run.by_name.text.error.message)
    assert.matches("none", run.by_name.folder.error.message)
    assert.matches("signal 11", run.by_name.signal.error.message)
    assert.matches("exit code 7.*went wrong", run.by_name.code.error.message)
  end)

  it("that prints a gibibyte keeps the head and says how much was dropped", function()
    of [[
      tg.cmd "flood" { shell = true, argv = "echo the first; yes | head -c 1073741824" },
      tg.cmd "one_line" { shell = true, argv = "head -c 100000000 /dev/zero | tr '\\0' x" },
      tg.cmd "json" { output = "json", shell = true, argv = "yes | head -c 30000000; echo '{\"rows\": 1}'" },
    ]]
    local run, result = box:run()
    assert.same({ flood = "success", one_line = "success", json = "success" }, run.states, result.err)
    assert.same({ rows = 1 }, run.by_name.json.output)
    local logs = box:tidegate("logs", "last", "flood").out
    assert.is_truthy(logs:find("the first", 1, true))
    assert.is_truthy(logs:find "%d+ lines %(%d+ bytes%) dropped")
    assert.is_true(#logs < 64 << 20)
    local _, size = project.shell("du -sk " .. box.dir .. "/.tidegate/logs | cut -f1")
    assert.is_true(tonumber(size) < 40 << 10, size)
  end)

  it("that ignores TERM is killed after its grace", function()
    of [[
      tg.cmd "deaf" { shell = true, timeout = "200ms", grace = "200ms",
        argv = "trap '' TERM; echo up; while :; do sleep 0.05; done" },
    ]]
    local run, result = box:run()
    assert.equal(4, result.code)
    assert.equal("timeout", run.by_name.deaf.error.code)
  end)

  it("that leaves grandchildren behind has them ended, in whatever session they are", function()
    of [[
      tg.cmd "child" { shell = true, grace = "100ms",
        argv = "sleep 9001 & echo $! >files/a; setsid sleep 9001 & setsid sh files/deaf.sh & sleep 0.2" },
      tg.cmd "stopped" { shell = true, timeout = "300ms", grace = "100ms",
        argv = "setsid sh -c 'echo $$ >files/c; sleep 9001' & sleep 9001" },
    ]]
    box:write("files/deaf.sh", "echo $$ >files/b; trap '' TERM; sleep 9001; sleep 9001")
    local run = box:run()
    assert.equal("success", run.states.child)
    assert.equal("failed", run.states.stopped)
    for _, name in ipairs { "a", "b", "c" } do
      local pid = assert(box:read("files/" .. name)):match "%d+"
      local line = project.read_file("/proc/" .. pid .. "/cmdline") or ""
      assert.equal("", line, name .. " is alive")
    end
    assert.equal("", (select(2, project.shell("grep -ls " .. run.id .. " /proc/[0-9]*/environ"))))
    assert.matches("left processes behind", box:tidegate("logs", "last", "child").out)
  end)
end)

describe("the store", function()
  local function filled()
    of [[ tg.task "a" { run = function() return ("x"):rep(3000) end }, ]]
    for _ = 1, 5 do box:run() end
    project.shell("cd " .. box.dir .. "/.tidegate && sqlite3 state.db 'PRAGMA wal_checkpoint(TRUNCATE)'")
    return box
  end

  -- Overwrites bytes of a file in its middle.
  local function damage(path, at, bytes)
    local file = assert(io.open(path, "r+b"))
    file:seek("set", at)
    file:write(bytes)
    file:close()
  end

  it("that is damaged is told with exit code 70, and is not touched", function()
    filled()
    local path = box.dir .. "/.tidegate/state.db"
    for _, at in ipairs { 0, 40, 100, 4096, 8192 } do
      project.shell(("cp %s %s.good"):format(path, path))
      damage(path, at, ("\xA5"):rep(600))
      local before = project.read_file(path)
      local result = box:tidegate("run", "p")
      assert.equal(70, result.code, ("bytes at %d: %s"):format(at, result.err))
      assert.matches("state.db", result.err)
      assert.equal(before, project.read_file(path))
      local doctor = box:document("doctor")
      local found
      for _, check in ipairs(doctor.checks) do found = check.name == "store" and check or found end
      assert.equal("fail", found.status)
      project.shell(("mv %s.good %s"):format(path, path))
    end
    assert.equal(0, box:tidegate("run", "p").code)
    assert.equal(6, #box:document("runs").runs)
  end)

  it("that is no database, or of a later version, is told", function()
    filled()
    local path = box.dir .. "/.tidegate/state.db"
    local good = project.read_file(path)
    box:write(".tidegate/state.db", "this is no database, and it is long enough to be looked at\n")
    local result = box:tidegate("run", "p")
    assert.equal(70, result.code)
    assert.matches("state.db", result.err)
    box:write(".tidegate/state.db", good)
    box:sql("PRAGMA user_version = 999")
    result = box:tidegate("run", "p")
    assert.is_true(result.code == 2 or result.code == 70)
    assert.matches("newer", result.err)
  end)

  it("in a folder that cannot be written is told", function()
    of [[ tg.task "a" { run = function() end }, ]]
    local result = box:call { "--data", "/proc/nowhere", "run", "p" }
    assert.not_equal(0, result.code)
    assert.matches("/proc/nowhere", result.err)
    box:write("plain", "a file")
    result = box:call { "--data", box.dir .. "/plain", "run", "p" }
    assert.equal(2, result.code)
    assert.matches("plain", result.err)
    -- Root may write everywhere, so it becomes a user to whom the folder does not belong.
    local _, user = project.shell "id -u"
    local as_other = user == "0\n" and "setpriv --reuid=65534 --regid=65534 --clear-groups" or ""
    project.shell(("cd %s && mkdir locked && chmod -R a+rX . && chmod 555 locked && cp %s ."):format(
      box.dir, project.quote(project.binary)))
    result = box:call({ "--data", box.dir .. "/locked", "run", "p" },
      { wrap = as_other, binary = box.dir .. "/tidegate" })
    assert.equal(2, result.code, result.err)
    assert.matches("locked.*[Pp]ermission denied", result.err)
  end)

  it("whose disk is full is told with exit code 75, and the run continues when there is room", function()
    of [[
      tg.task "a" { run = function() return ("x"):rep(1000) end },
      tg.task "b" { after = "a", run = function(ctx)
        require("tidegate.file").write("files/b", "")
        return ("y"):rep(3000000)
      end },
      tg.task "c" { after = "b", run = function() return 1 end },
    ]]
    -- A limit on the size of files stands for a full disk where nothing can be mounted.
    local result = box:call({ "run", "p" }, { before = "ulimit -f 1024;" })
    assert.equal(75, result.code, result.err)
    assert.matches("state.db", result.err)
    local run, after = box:run()
    assert.equal(0, after.code, after.err)
    assert.same({ a = "success", b = "success", c = "success" }, run.states)
    assert.equal(1, #box:document("runs").runs)
    assert.equal("ok", box:sql "PRAGMA integrity_check")
  end)

  it("on a file system that is full goes on when there is room", function()
    of [[
      tg.task "a" { run = function() return 1 end },
      tg.task "b" { after = "a", run = function() return ("y"):rep(3000000) end },
    ]]
    -- In a mount namespace of its own, where that is allowed.
    local script = ([[
      cd %s && mount -t tmpfs -o size=16m tmpfs data || exit 99
      head -c 15728640 /dev/zero >data/other
      %s; echo first=$? >files/codes
      rm data/other
      %s; echo second=$? >>files/codes
      sqlite3 data/state.db 'PRAGMA integrity_check; SELECT count(*) FROM runs' >>files/codes
    ]]):format(box.dir, project.command { "--data", "data", "run", "p" },
      project.command { "--data", "data", "run", "p" })
    box:write("script.sh", script)
    project.shell("mkdir " .. box.dir .. "/data")
    local code, out = project.shell(("for how in '-m' '-rm'; do " ..
      "unshare $how --propagation unchanged sh %s/script.sh 2>&1 && exit 0; done; exit 99")
      :format(box.dir))
    if code == 99 then pending "nothing can be mounted here; the limit on files above says the same" end
    assert.equal("first=75\nsecond=0\nok\n1\n", box:read "files/codes", out)
  end)

  it("belongs to one host; the second is told whom, with exit code 75", function()
    of [[ tg.cmd "a" { shell = true, argv = "echo >files/up; while ! test -e files/go; do sleep 0.02; done" }, ]]
    local first = ("cd %s && (%s >/dev/null 2>&1; echo $? >files/code) &"):format(box.dir,
      project.command { "run", "p" })
    os.execute(first)
    project.shell(("cd %s && while ! test -e files/up; do sleep 0.02; done"):format(box.dir))
    local result = box:tidegate("run", "p", "--new")
    assert.equal(75, result.code)
    assert.matches("%.tidegate", result.err)
    assert.matches("process %d+", result.err)
    -- Whoever only looks is let in.
    assert.equal("running", box:document("show", "last").run.state)
    assert.equal(0, box:tidegate("doctor").code)
    box:write("files/go", "")
    project.shell(("cd %s && while ! test -s files/code; do sleep 0.02; done"):format(box.dir))
    assert.equal("0\n", box:read "files/code")
  end)
end)

describe("a project file", function()
  it("with a fault is told with line and column", function()
    of [[ tg.task "a" { run = function() end }, ]]
    for text, message in pairs {
      ["nmae: x\n"] = "tidegate.yaml:1:1:.*nmae.*name", ["files: 7\n"] = "tidegate.yaml:1:%d+:",
      ["limits: { tasks: 0 }\n"] = "tidegate.yaml:1:%d+:", ["a: [\n"] = "tidegate.yaml:%d+:%d+:",
    } do
      box:write("tidegate.yaml", text)
      local result = box:tidegate("run", "p")
      assert.equal(2, result.code)
      assert.matches(message, result.err)
    end
  end)
end)

describe("limits of a project", function()
  local HUNGRY = 'local t = {} for i = 1, 30 do t[i] = ("x"):rep(1024 * 1024) .. i end\n'
    .. HEAD .. "return tg.pipeline 'p' { tasks = { tg.cmd 'a' { argv = { 'true' } } } }"

  it("say what the scripts of a pipeline may use", function()
    box = project.new { ["pipelines/p.lua"] = HUNGRY }
    assert.equal(0, box:tidegate("run", "p").code)
    box:write("tidegate.yaml", "limits: { bundle_memory: 16MiB }\n")
    local result = box:tidegate("check")
    assert.equal(2, result.code)
    assert.matches("pipelines/p.lua:1: .*%(16 MiB%); limits.bundle_memory of tidegate.yaml", result.out)
  end)

  it("say how long a script may take to load", function()
    box = project.new { ["pipelines/p.lua"] = "while true do end",
      ["tidegate.yaml"] = "limits: { bundle_time: 1s }\n" }
    local result = box:tidegate("check")
    assert.equal(2, result.code)
    assert.matches("pipelines/p.lua:1: loading took longer than 1 s", result.out)
  end)
end)
