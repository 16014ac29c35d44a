-- SPDX-License-Identifier: Apache-2.0
-- Scripts that mean ill. Each ends within its own time limit and fails no task but its own: a
-- neighbour that takes a while, in the same run and on the same workers, succeeds.
local project = require "support.project"

-- What a task does, and how it must end: "failed" (the default) or "any" where it may also succeed.
-- None of them may go on beyond its time limit of a second, of which only the watchdog is a judge.
local PROBES = {
  loop = { [[while true do end]] },
  loop_in_pcall = { [[while true do pcall(function() while true do end end) end]] },
  loop_in_xpcall = { [[
    local function loop() while true do end end
    while true do xpcall(loop, loop) end]] },
  loop_in_coroutine = { [[while true do coroutine.wrap(function() while true do end end)() end]] },
  coroutine_made_early = { [[return early()]] },
  goto_loop = { [[::again:: goto again]] },
  pattern_question_marks = { [[return ("a"):rep(30):find(("a?"):rep(30) .. ("a"):rep(30))]] },
  pattern_dots = { [[return ("x"):rep(2000):find(".-.-.-.-b")]] },
  pattern_dash = { [[return ("a"):rep(300 * 1024):find("a-b")]] },
  pattern_gsub = { [[return ("x"):rep(3000):gsub(".-.-.-b", "")]] },
  pattern_gmatch = { [[for _ in ("x"):rep(3000):gmatch(".-.-.-b") do end]], "any" },
  pattern_balance = { [[return ("("):rep(300000):find("%b()x")]], "any" },
  gc = { [[setmetatable({}, { __gc = function() while true do end end }) for i = 1, 1e5 do local t = {} end]] },
  mode = { [[setmetatable({}, { __mode = "k" })]] },
  close = { [[local x <close> = setmetatable({}, { __close = function() while true do end end })]] },
  close_after_error = { [[local x <close> = setmetatable({}, { __close = function() while true do end end }) error "x"]] },
  close_again = { [[
    local function guard() return setmetatable({}, { __close = function() while true do end end }) end
    while true do pcall(function() local a <close> = guard() local b <close> = guard() end) end]] },
  doubling = { [[local s = "x" while true do s = s .. s end]] },
  doubling_in_pcall = { [[while true do pcall(function() local s = "x" while true do s = s .. s end end) end]] },
  table_bomb = { [[local t = {} while true do t[#t + 1] = { {}, {} } end]] },
  rep = { [[return #("x"):rep(1e10)]] },
  rep_separator = { [[return #(""):rep(1e10, "xx")]] },
  concats = { [[local s = ("x"):rep(10 * 2^20) for i = 1, 1000 do s = s .. s:sub(1, 10 * 2^20) end]] },
  concat_list = { [[local t = {} for i = 1, 1000 do t[i] = ("x"):rep(2^20) end return #table.concat(t)]] },
  format = { [[return #("%99999999d"):format(1)]] },
  sort = { [[local t = {} for i = 1, 1000 do t[i] = i % 7 end table.sort(t, function() return true end)]], "any" },
  sort_endless = { [[
    local t = {}
    for i = 1, 1e6 do t[i] = i * 7919 % 1000003 end
    while true do
      table.sort(t, function(a, b) return a > b end)
      table.sort(t)
    end]] },
  recursion = { [[local function f() return 1 + f() end return f()]] },
  recursion_tail = { [[local function f() return f() end return f()]] },
  recursion_metamethod = { [[
    local t = setmetatable({}, {})
    getmetatable(t).__index = function(x, k) return x[k] end
    return t.x]] },
  recursion_tostring = { [[
    local m = { __tostring = function(x) return tostring(x) end }
    return tostring(setmetatable({}, m))]] },
  string_metatable = { [[getmetatable("").__index = nil]] },
  string_library = { [[string.find = nil]] },
  rawset_library = { [[rawset(string, "find", nil)]] },
  dump = { [[return load(string.dump(function() end))]] },
  bytecode = { [[
    local head = "\27LuaS\0\25\147\r\n\26\n\4\8\8xV\0\0\0\0\0\0\0\0\0\0\0(w@\1"
    assert(load(head .. ("\255"):rep(200)))()]] },
  bytecode_mode = { [[assert(load("\27Lua", "x", "b"))]] },
  closes = { [[
    local function nest(n)
      if n == 0 then return coroutine.yield() end
      local c <close> = setmetatable({}, { __close = function() end })
      local inner = coroutine.wrap(nest)
      inner(n - 1)
      coroutine.yield()
    end
    local made = {}
    for i = 1, 20000 do
      made[i] = coroutine.create(function()
        local inner = made[i - 1]
        local c <close> = setmetatable({}, { __close = function() if inner then coroutine.close(inner) end end })
        coroutine.yield()
      end)
      coroutine.resume(made[i])
    end
    coroutine.close(made[#made])
    nest(20000)]] },
  no_io = { [[return io.open("/etc/passwd")]] },
  no_os = { [[return os.execute("true")]] },
  no_debug = { [[return debug.getregistry()]] },
  no_package = { [[return package.loadlib("libc.so.6", "system")]] },
  no_native = { [[return require "tidegate._native"]] },
  no_worker = { [[return require "tidegate.worker"]] },
  no_dofile = { [[return dofile("/etc/passwd")]] },
  collect = { [[collectgarbage("stop")]] },
  file_outside = { [[return assert(require("tidegate.file").read("/etc/passwd"))]] },
  file_above = { [[return assert(require("tidegate.file").read("files/../tidegate.yaml"))]] },
  file_link = { [[return assert(require("tidegate.file").read("files/link"))]] },
  sql_attach = { [[return assert(require("tidegate.sql").exec("ATTACH '/tmp/other.db' AS other"))]] },
  sql_endless = { [[
    return assert(require("tidegate.sql").query(
      "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) SELECT count(*) FROM r"))]] },
  log_flood = { [[while true do ctx:log(("x"):rep(10000)) end]] },
  progress_flood = { [[while true do ctx:progress(1, 2) end]] },
  json_bomb = { [[return require("tidegate.json").decode(("["):rep(1e6))]], "any" },
  sleep_for_ever = { [[ctx:sleep("1000d")]] },
  error_object = { [[error(setmetatable({}, { __tostring = function() while true do end end }))]] },
  error_index = { [[error(setmetatable({}, { __index = function() while true do end end }))]] },
  result_pairs = { [[return setmetatable({}, { __pairs = function() while true do end end })]], "any" },
  result_index = { [[
    local function loop() while true do end end
    return setmetatable({}, { __index = loop, __len = loop })]], "any" },
}

local PIPELINE = [[
local tg = require "tidegate"
local early = coroutine.wrap(function() while true do end end)
return tg.pipeline %q {
  tasks = {
    tg.task "probe" { timeout = "1s", run = function(ctx) %s end },
    tg.task "neighbour" { run = function(ctx)
      local sum = 0
      for i = 1, 30 do
        for j = 1, 10000 do sum = sum + j end
        ctx:sleep("20ms")
      end
      return sum
    end },
    tg.task "behind" { after = "neighbour", run = function(ctx) return ctx.output.neighbour end },
  },
}
]]

describe("the probe", function()
  local box
  setup(function()
    box = project.new { ["secret"] = "not for scripts" }
    project.shell(("ln -s ../secret %s/files/link"):format(box.dir))
  end)
  teardown(function() box:close() end)

  for name, probe in pairs(PROBES) do
    it(name .. " fails only its own task", function()
      box:write("pipelines/" .. name .. ".lua", PIPELINE:format(name, probe[1]))
      local run, result = box:run { name }
      local state = run.states.probe
      assert.is_true(state == "failed" or probe[2] == "any" and state == "success",
        ("%s: %s"):format(state, result.err))
      assert.same({ "success", "success" }, { run.states.neighbour, run.states.behind })
      assert.equal(1500150000, run.by_name.behind.output)
      assert.equal(1, run.by_name.probe.attempts)
    end)
  end

  it("of all of them at once fails nobody else either", function()
    local tasks, count = {}, 0
    for name, probe in pairs(PROBES) do
      count = count + 1
      tasks[count] = ([[tg.task "p_%s" { timeout = "2s", run = function(ctx) %s end },]]):format(
        name, probe[1])
    end
    for i = 1, 10 do
      tasks[count + i] = ([[tg.task "good%d" { run = function(ctx)
        for i = 1, 20 do ctx:sleep("50ms") end
        return %d
      end },]]):format(i, i)
    end
    box:pipeline("all", table.concat(tasks, "\n"))
    local run, result = box:run { "all" }
    for i = 1, 10 do
      assert.equal("success", run.states["good" .. i], result.err)
      assert.equal(i, run.by_name["good" .. i].output)
    end
    local failed = 0
    for _, task in ipairs(run.tasks) do failed = failed + (task.state == "failed" and 1 or 0) end
    assert.is_true(failed > count * 0.8, result.err)
  end)
end)

describe("a task that takes its worker with it", function()
  it("and is tried again and again costs its neighbours nothing", function()
    local tasks = { [[
      tg.task "hangs" { timeout = "200ms", retry = { attempts = 8, base = "1ms" },
        run = function()
          local t = {}
          for i = 1, 1000000 do t[i] = i * 7919 % 1000003 end
          while true do
            table.sort(t, function(a, b) return a > b end)
            table.sort(t)
          end
        end },]] }
    for i = 1, 8 do
      tasks[#tasks + 1] = ([[tg.task "good%d" { run = function(ctx) ctx:sleep("900ms") return %d end },]])
        :format(i, i)
    end
    local box = project.of(table.concat(tasks, "\n"))
    finally(function() box:close() end)
    local run, result = box:run()
    assert.equal("failed", run.states.hangs)
    assert.equal(8, run.by_name.hangs.attempts)
    for i = 1, 8 do assert.equal("success", run.states["good" .. i], result.err) end
    assert.is_true(tonumber(box:sql "SELECT max(attempts) FROM tasks WHERE name LIKE 'good%'") > 1)
  end)
end)

describe("a policy", function()
  it("that does not end fails its task within its own limit and nobody else's", function()
    local box = project.of [[
      tg.branch "choose" { to = "next", decide = tg.policy "endless", input = function() return {} end },
      tg.task "next" { run = function() end },
      tg.task "neighbour" { run = function(ctx) ctx:sleep("3s") return "fine" end },
    ]]
    finally(function() box:close() end)
    box:write("pipelines/policies/endless.lua", [[
      return { doc = "d", kind = "branch", input = {}, decide = function() while true do end end }]])
    local run = box:run()
    assert.same({ choose = "failed", next = "upstream_failed", neighbour = "success" }, run.states)
    assert.matches("2000 ms", run.by_name.choose.error.message)
  end)
end)
