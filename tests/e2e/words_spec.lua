-- SPDX-License-Identifier: Apache-2.0
-- Pipelines as a user writes them, by the real binary: what each word does.
local project = require "support.project"

local box
local function of(...) box = project.of(...) return box end
after_each(function() if box then box:close() end box = nil end)

describe("tg.task", function()
  it("gives its result to the tasks behind it, to the last bit", function()
    of [[
      tg.task "a" { run = function() return { n = 9007199254740993, f = 0.1, list = { 1, 2 },
        text = "zażółć \0 gęślą", yes = true, deep = { { {} } } } end },
      tg.task "b" { after = "a", run = function(ctx)
        local a = ctx.output.a
        assert(a.n == 9007199254740993 and math.type(a.n) == "integer")
        assert(a.f == 0.1 and #a.list == 2 and a.yes == true and #a.text == 21, #a.text)
        return a
      end },
      tg.task "c" { after = "b", run = function(ctx)
        return ctx.output.a.n == ctx.output.b.n and ctx.output.nothing_of_b == nil
      end },
    ]]
    local run = box:run()
    assert.same({ a = "success", b = "success", c = "failed" }, run.states)
    assert.matches("ctx.output.nothing_of_b: there is no such task", run.by_name.c.error.message)
    assert.matches("9007199254740993", box:tidegate("-o", "json", "show", "last").out)
  end)

  it("sees the facts of its attempt, and nothing can be changed in them", function()
    of([[
      tg.task "a" { run = function(ctx)
        assert(ctx.run:match("^%x+%-%x+%-%x+%-%x+%-%x+$") and ctx.pipeline == "p")
        assert(ctx.task == "a" and ctx.attempt == 1 and #ctx.key > 8)
        assert(ctx.params.region == "EU" and ctx.event == nil)
        assert(ctx.logical_date == "2026-11-20T00:00:00.000Z", ctx.logical_date)
        assert(ctx.params.day == "2026-11-20")
        assert(not pcall(function() ctx.run = "other" end))
        assert(not pcall(function() ctx.output.a = 1 end))
        assert(not pcall(function() return ctx.atempt end))
        ctx:log("one %d", 1)
        ctx:log("warn", "two")
        ctx:progress(1, 2)
        ctx:emit_asset { name = "things", rows = 3 }
        return { interval = ctx.interval }
      end },
    ]], [[params = { region = tg.enum { "US", "EU", default = "EU" },
                     day = tg.date { default = tg.logical_date } },]])
    local run, result = box:run { "p", "--at", "2026-11-20" }
    assert.same({ a = "success" }, run.states, result.err)
    local logs = box:tidegate("logs", "last").out
    assert.matches("info%s+one 1", logs)
    assert.matches("warn%s+two", logs)
    local shown = box:document("show", "last").run
    assert.equal("things", shown.asset_versions[1].asset)
    assert.equal("2026-11-20T00:00:00.000Z", shown.occurrence)
  end)

  it("fails by error(x) of any x and by nil, err; success is any plain value", function()
    of [[
      tg.task "text" { run = function() error "boom" end },
      tg.task "table" { run = function() error { code = "limit", message = "too many" } end },
      tg.task "pair" { run = function() return nil, "no luck" end },
      tg.task "none" { run = function() error() end },
      tg.task "index" { run = function() local x; return x.y end },
      tg.task "behind" { after = "text", run = function() end },
      tg.task "nothing" { run = function() end },
      tg.task "no" { run = function() return false end },
    ]]
    local run, result = box:run()
    assert.equal(1, result.code)
    assert.equal("failed", run.state)
    assert.same({ text = "failed", table = "failed", pair = "failed", none = "failed",
      index = "failed", behind = "upstream_failed", nothing = "success", no = "success" }, run.states)
    assert.matches("p.lua:5: boom", run.by_name.text.error.message)
    assert.matches("too many", run.by_name.table.error.message)
    assert.matches("no luck", run.by_name.pair.error.message)
    assert.matches("x", run.by_name.index.error.message)
  end)
end)

describe("retry", function()
  it("asks again with the same key, and stops at the first success", function()
    of [[
      tg.task "flaky" { retry = { attempts = 5, base = "10ms", jitter = "none" },
        run = function(ctx)
          require("tidegate.file").write("files/" .. ctx.attempt, ctx.key)
          if ctx.attempt < 3 then error "not yet" end
          return ctx.attempt
        end },
      tg.cmd "shell" { shell = true, argv = "test $TIDEGATE_ATTEMPT = 2",
        retry = { attempts = 2, base = "10ms" } },
    ]]
    local run = box:run()
    assert.same({ flaky = "success", shell = "success" }, run.states)
    assert.equal(3, run.by_name.flaky.attempts)
    assert.equal(2, run.by_name.shell.attempts)
    assert.equal(3, run.by_name.flaky.output)
    assert.equal(box:read "files/1", box:read "files/2")
    assert.equal(box:read "files/1", box:read "files/3")
  end)

  it("does not happen unless it is asked for, nor for a class it does not name", function()
    of [[
      tg.task "plain" { run = function() error "boom" end },
      tg.cmd "absent" { argv = { "/no/such/program" }, retry = { attempts = 9, base = "1ms" } },
      tg.task "spent" { retry = { attempts = 3, base = "1ms" }, run = function() error "boom" end },
    ]]
    local run = box:run()
    assert.equal(1, run.by_name.plain.attempts)
    assert.equal(1, run.by_name.absent.attempts)
    assert.equal(3, run.by_name.spent.attempts)
  end)
end)

describe("timeout", function()
  it("ends an attempt that computes, one that waits and a command; the run's exit code is 4", function()
    of [[
      tg.task "computes" { timeout = "200ms", run = function() while true do end end },
      tg.task "waits" { timeout = "200ms", run = function(ctx) ctx:sleep("1h") end },
      tg.cmd "command" { timeout = "200ms", argv = { "sleep", "1000" } },
    ]]
    local run, result = box:run()
    assert.equal(4, result.code)
    for _, task in ipairs(run.tasks) do
      assert.equal("failed", task.state)
      assert.equal("timeout", task.error.code)
    end
  end)

  it("of a run cancels what is left, with exit code 4", function()
    of([[
      tg.task "a" { run = function(ctx) ctx:sleep("1h") end },
      tg.task "b" { after = "a", run = function() end },
    ]], [[limits = { timeout = "300ms" },]])
    local run, result = box:run()
    assert.equal(4, result.code)
    assert.same({ a = "cancelled", b = "cancelled" }, run.states)
    assert.matches("time limit", result.err)
  end)
end)

describe("after and when", function()
  it("carry success, failure and skips on as each rule says", function()
    of [[
      tg.task "good" { run = function() end },
      tg.task "bad" { run = function() error "boom" end },
      tg.branch "choice" { to = { "left", "right" }, decide = function() return "left" end },
      tg.task "left" { run = function() end },
      tg.task "right" { run = function() end },
      tg.task "all_success" { after = { "good", "bad" }, run = function() end },
      tg.task "one_success" { after = { "good", "bad" }, when = "one_success", run = function() end },
      tg.task "all_done" { after = { "good", "bad", "right" }, when = "all_done", run = function() end },
      tg.task "none_failed" { after = { "left", "right" }, when = "none_failed", run = function() end },
      tg.task "behind_a_skip" { after = { "left", "right" }, run = function() end },
      tg.task "one_failed" { after = { "good", "bad" }, when = "one_failed", run = function() end },
      tg.task "all_failed" { after = { "good", "bad" }, when = "all_failed", run = function() end },
      tg.task "always" { after = "bad", when = "always", run = function() end },
      tg.task "none_skipped" { after = { "left", "right" }, when = "none_skipped", run = function() end },
    ]]
    local run, result = box:run()
    assert.equal(1, result.code)
    assert.same({
      good = "success", bad = "failed", choice = "success", left = "success", right = "skipped",
      all_success = "upstream_failed", one_success = "success", all_done = "success",
      none_failed = "success", behind_a_skip = "skipped", one_failed = "success",
      all_failed = "skipped", always = "success", none_skipped = "skipped",
    }, run.states)
    assert.matches("none_skipped", box:tidegate("why", "last", "none_skipped").out)
  end)
end)

describe("limits.tasks", function()
  it("bounds how many run at once", function()
    local tasks = {}
    for i = 1, 8 do
      tasks[i] = ([[tg.cmd "c%d" { shell = true, argv = "echo + >>files/log; sleep 0.05; echo - >>files/log" },]]):format(i)
    end
    of(table.concat(tasks, "\n"), "limits = { tasks = 2 },")
    assert.equal("success", box:run().state)
    local now, most = 0, 0
    for _, line in ipairs(box:lines "files/log") do
      now = now + (line == "+" and 1 or -1)
      most = math.max(most, now)
    end
    assert.equal(16, #box:lines "files/log")
    assert.equal(2, most)
  end)
end)

describe("produces", function()
  it("records a version of each asset when the task has succeeded, once", function()
    of [[
      tg.cmd "c" { argv = { "true" }, produces = { "files", "more" } },
      tg.task "t" { produces = "rows", run = function(ctx) ctx:emit_asset { name = "rows", rows = 7 } end },
      tg.task "bad" { produces = "nothing", run = function() error "boom" end },
    ]]
    box:run()
    local seen = {}
    for _, version in ipairs(box:document("show", "last").run.asset_versions) do
      local rows = version.rows and math.tointeger(version.rows)
      seen[#seen + 1] = ("%s %s %s"):format(version.asset, version.task, rows)
    end
    table.sort(seen)
    assert.same({ "files c nil", "more c nil", "rows t 7" }, seen)
  end)
end)

describe("tg.cmd", function()
  it("takes arguments as they are, an allow-list of the environment, a folder and an input", function()
    of [[
      tg.cmd "args" { argv = { "printf", "%s|", "a b", "$HOME", "*", "" } },
      tg.cmd "env" { argv = { "env" }, env = { "PATH", "HIDDEN", STAGE = "prod" } },
      tg.cmd "folder" { argv = { "pwd" }, cwd = "files" },
      tg.cmd "input" { argv = { "cat" }, stdin = "from the pipeline\n" },
      tg.cmd "shell" { shell = true, argv = "echo $((20 + 3)) | sed s/2/4/" },
      tg.cmd "code" { argv = { "sh", "-c", "exit 3" }, ok_codes = { 0, 3 } },
      tg.cmd "json" { argv = { "sh", "-c", "echo noise; echo '{\"rows\": 12}'" }, output = "json" },
      tg.cmd "no_json" { argv = { "echo", "noise" }, output = "json" },
      tg.task "reads" { after = { "json", "code" }, run = function(ctx)
        return ctx.output.json.rows + ctx.output.code.exit_code
      end },
    ]]
    local run = box:run({ "p" }, { env = { HIDDEN = "no", OTHER = "never" } })
    local logs = box:tidegate("logs", "last").out
    assert.matches("args.1 out%s+a b|%$HOME|%*||", logs)
    assert.matches("env.1 out%s+HIDDEN=no", logs)
    assert.matches("env.1 out%s+STAGE=prod", logs)
    assert.matches("TIDEGATE_RUN_ID=" .. run.id:gsub("%-", "%%-"), logs)
    assert.matches("TIDEGATE_TASK=env", logs)
    assert.matches("TIDEGATE_KEY=%x+", logs)
    assert.not_matches("OTHER=", logs)
    assert.matches("folder.1 out%s+%S+/files\n", logs)
    assert.matches("input.1 out%s+from the pipeline", logs)
    assert.matches("shell.1 out%s+43", logs)
    assert.equal(15, run.by_name.reads.output)
    assert.equal("failed", run.states.no_json)
    assert.matches("not JSON", run.by_name.no_json.error.message)
  end)
end)

describe("tg.sql, tg.gate, tg.branch and tg.policy", function()
  local CONTRACT = [[
apiVersion: v3.1.0
kind: DataContract
id: silver_orders
version: 1.0.0
status: active
schema:
  - name: silver_orders
    properties:
      - { name: id, logicalType: integer, required: true, unique: true }
      - name: amount
        logicalType: number
        quality:
          - metric: invalidValues
            arguments: { validValues: [10, 20] }
            mustBe: 0
            customProperties: [{ property: tidegate.action, value: %s }]
]]
  local POLICY = [[
local tg = require "tidegate"
return {
  doc = "by size", kind = "branch",
  input = { rows = tg.int { min = 0 } },
  decide = function(input)
    return { action = input.rows > 1 and "heavy" or "light", reason = "there are rows" }
  end,
  test = { { given = { rows = 2 }, expect = { action = "heavy" } } },
}
]]
  local TASKS = [[
    tg.sql "bronze" { into = "bronze_orders",
      query = "SELECT value AS id, value * :by AS amount FROM json_each('[1,2,3]')",
      params = { by = function(ctx) return ctx.params.by end } },
    tg.sql "silver" { after = "bronze", file = "silver_orders.sql", into = "silver_orders" },
    tg.gate "quality" { after = "silver", contract = "silver_orders" },
    tg.branch "size" { after = "quality", decide = tg.policy "by_size", to = { "heavy", "light" },
      input = function(ctx) return { rows = 2 } end },
    tg.task "heavy" { run = function() return "heavy" end },
    tg.task "light" { run = function() return "light" end },
  ]]

  local function orders(action)
    of(TASKS, "params = { by = tg.int { default = 10 } },")
    box:write("pipelines/silver_orders.sql", "-- typed\nSELECT id, amount FROM bronze_orders;\n")
    box:write("contracts/silver_orders.yaml", CONTRACT:format(action))
    box:write("pipelines/policies/by_size.lua", POLICY)
    return box
  end

  it("drop bad rows to quarantine, decide, and give the same tables when run twice", function()
    orders "drop"
    for _ = 1, 2 do
      local run, result = box:run()
      assert.same({ bronze = "success", silver = "success", quality = "success", size = "success",
        heavy = "success", light = "skipped" }, run.states, result.err)
      assert.equal("1|10\n2|20", box:sql("SELECT id, amount FROM silver_orders ORDER BY 1",
        "warehouse.db"))
    end
    local shown = box:document("show", "last").run
    assert.equal("heavy", shown.decisions[1].action)
    assert.is_true(#shown.checks >= 2)
    assert.matches("there are rows", box:tidegate("why", "last", "size").out)
    assert.matches("quarantine_silver_orders",
      box:sql("SELECT name FROM sqlite_master", "warehouse.db"))
  end)

  it("stop behind a gate that fails, with exit code 3", function()
    orders "fail"
    local run, result = box:run()
    assert.equal(3, result.code)
    assert.same({ bronze = "success", silver = "success", quality = "failed",
      size = "upstream_failed", heavy = "upstream_failed", light = "upstream_failed" }, run.states)
    assert.equal("contract", run.by_name.quality.error.class)
  end)

  it("close the gate when a check cannot be made", function()
    orders "drop"
    box:write("pipelines/silver_orders.sql", "SELECT id FROM bronze_orders")
    local run, result = box:run()
    assert.equal("failed", run.states.quality, result.err)
    assert.equal("upstream_failed", run.states.size)
    assert.equal(3, result.code)
  end)

  it("leave the old table as it was when the statement fails", function()
    orders "drop"
    box:run()
    box:write("pipelines/silver_orders.sql", "SELECT id, nonsense FROM bronze_orders")
    local run = box:run()
    assert.equal("failed", run.states.silver)
    assert.matches("nonsense", run.by_name.silver.error.message)
    assert.equal("2", box:sql("SELECT count(*) FROM silver_orders", "warehouse.db"))
  end)
end)

describe("parameters", function()
  local function typed()
    return of([[
      tg.task "a" { run = function(ctx) return ctx.params end },
    ]], [[params = {
      s = tg.string { default = "x", pattern = "%a+" }, i = tg.int { default = 1, min = 0, max = 9 },
      n = tg.number { default = 0.5 }, b = tg.bool { default = false },
      e = tg.enum { "US", "EU", default = "EU" }, d = tg.date { default = "2026-01-31" },
      l = tg.list { of = tg.int {}, default = { 1 } }, r = tg.string {},
    },]])
  end

  it("take a value of each type from the command line", function()
    typed()
    local run = box:run { "p", "-p", "r=must", "-p", "s=abc", "-p", "i=9", "-p", "n=2.5", "-p",
      "b=true", "-p", "e=US", "-p", "d=2024-02-29", "-p", "l=[3,4]" }
    assert.same({ r = "must", s = "abc", i = 9, n = 2.5, b = true, e = "US", d = "2024-02-29",
      l = { 3, 4 } }, run.by_name.a.output)
    run = box:run { "p", "-p", "r=1" }
    assert.same({ r = "1", s = "x", i = 1, n = 0.5, b = false, e = "EU", d = "2026-01-31", l = { 1 } },
      run.by_name.a.output)
  end)

  for given, message in pairs {
    ["i=10"] = "9", ["i=x"] = "whole number", ["n=x"] = "number", ["b=maybe"] = "true",
    ["e=APAC"] = "US, EU", ["d=2026-02-30"] = "date", ["l=[x]"] = "l",
    ["q=1"] = "'?q'?", ["nothing"] = "name=value",
  } do
    it(("refuse %s and start nothing"):format(given), function()
      typed()
      local result = box:tidegate("run", "p", "-p", "r=x", "-p", given)
      assert.equal(2, result.code)
      assert.matches(message, result.err)
      assert.equal("", result.out)
      assert.same({}, box:document("runs").runs)
    end)
  end

  it("refuse a run without one that has no default", function()
    typed()
    local result = box:tidegate("run", "p")
    assert.equal(2, result.code)
    assert.matches("r", result.err)
    assert.matches("%-p r=", result.err)
  end)
end)
