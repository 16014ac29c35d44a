-- SPDX-License-Identifier: Apache-2.0
-- What becomes of failures: breakers, budgets, deadlines, last resorts, policies for retries.
local project = require "support.project"

local box

-- Starts an HTTP server that ends with the test; gives its address.
local function serve()
  project.shell(([[cd %s && exec 9>files/stop
    (while test -d files && ! test -e files/over; do sleep 0.02; done) | %s >files/port 2>&1 &
    while ! test -s files/port; do sleep 0.01; done]])
    :format(project.quote(box.dir), project.quote(project.http_server)))
  return "http://127.0.0.1:" .. box:read("files/port"):match "%d+"
end

after_each(function()
  if not box then return end
  box:write("files/over", "")
  box:close()
  box = nil
end)

local function settings(text)
  box:write("tidegate.yaml", "files:\n  - { path: files, write: true }\n" .. text)
end

-- In a pipeline's file: calls the server by a path that files/<name> holds, and leaves a line in
-- files/log.
local CALL = [[
local file, http = require "tidegate.file", require "tidegate.http"
local function call(ctx)
  local path = file.read("files/path"):match "%S+"
  assert(file.write("files/log", (file.read("files/log") or "") .. ctx.task .. " " .. path .. "\n"))
  local answer, err = http.get(path)
  if not answer then return nil, err end
  local sound, bad = answer:check()
  if not sound then return nil, bad end
  return answer.status
end
]]

local function pipeline(tasks, fields)
  box = project.new()
  box:write("pipelines/p.lua", ([[
local tg = require "tidegate"
%s
return tg.pipeline "p" {
  %s
  tasks = {
%s
  },
}
]]):format(CALL, fields or "", tasks))
end

-- Kills the host of a run in the background once a query of its store gives a text.
local function killed_when(query, text)
  project.shell(("cd %s && { %s >/dev/null 2>&1 & pid=$!; " ..
    "for i in $(seq 2000); do [ \"$(sqlite3 .tidegate/state.db %s 2>/dev/null)\" = %s ] && break; " ..
    "sleep 0.01; done; kill -9 $pid; wait $pid; } 2>/dev/null"):format(
    project.quote(box.dir), project.command { "run", "p" }, project.quote(query),
    project.quote(text)))
  assert.equal(text, box:sql(query))
end

local function why(...)
  local reasons = box:document("why", "last", ...).reasons
  local texts = {}
  for i, reason in ipairs(reasons) do texts[i] = reason.kind .. ": " .. reason.text end
  return table.concat(texts, "\n")
end

describe("a circuit breaker", function()
  it("holds tasks of a resource that keeps failing, and lets a probe close it", function()
    pipeline [[
      tg.task "a" { resource = "api", run = call, retry = { attempts = 3, base = "1ms" } },
      tg.task "b" { after = "a", when = "all_done", resource = "api", run = function(ctx)
        return 1
      end },
    ]]
    settings "resources:\n  api: { breaker: { failures: 3, open: 1500ms } }\n"
    box:write("files/path", serve() .. "/status/503")
    local run, result = box:run()
    assert.equal("failed", run.states.a)
    assert.equal("success", run.states.b)
    assert.equal(3, #box:lines "files/log")
    assert.matches("resource api: its breaker is open until", result.err)
    assert.matches("last failure: .*503", result.err)
    assert.matches("resource api: its breaker is closed", result.err)
    assert.matches("resource: waited for resource api, whose breaker was not closed", why "b")
    local opened = tonumber(box:sql "SELECT max(ended_at) FROM attempts WHERE task = 0")
    local began = tonumber(box:sql "SELECT started_at FROM attempts WHERE task = 1")
    assert.is_true(began - opened >= 1500, began - opened)
    assert.matches("resource +1 known, every breaker is closed", box:tidegate("doctor").out)
  end)

  it("opens for as long as a Retry-After says, for every pipeline", function()
    pipeline [[ tg.task "a" { resource = "api", run = call }, ]]
    box:pipeline("other", [[ tg.task "b" { resource = "api", run = function() return 1 end }, ]])
    box:write("files/path", serve() .. "/status/503?retry_after=2")
    assert.equal("failed", (box:run()).state)
    assert.equal("open", box:sql "SELECT phase FROM resources WHERE name = 'api'")
    assert.equal("success", (box:run { "other" }).state)
    local ended = tonumber(box:sql "SELECT ended_at FROM attempts WHERE run = 1")
    local began = tonumber(box:sql "SELECT started_at FROM attempts WHERE run = 2")
    assert.is_true(began - ended >= 1990, began - ended)
  end)

  it("that is open survives its host, and is told wherever one looks", function()
    pipeline [[
      tg.task "a" { resource = "api", run = call },
      tg.task "b" { after = "a", when = "all_done", resource = "api", run = function() return 1 end },
    ]]
    settings "resources:\n  api: { breaker: { failures: 1, open: 6s } }\n"
    box:write("files/path", serve() .. "/status/500")
    killed_when("SELECT group_concat(phase) FROM resources", "open")
    local opens = tonumber(box:sql "SELECT retry_at FROM resources")
    assert.matches("waits for resource api: its breaker is open until", why "b")
    assert.matches("waits for resource api", why())
    assert.matches("WAITS FOR", box:tidegate("show", "last").out)
    assert.matches("warn +resource +resource api: its breaker is open", box:tidegate("doctor").out)
    local shown = box:document("show", "last").run
    assert.equal("open", shown.resources[1].breaker)
    local run = box:run()
    assert.equal("success", run.states.b)
    local began = tonumber(box:sql "SELECT started_at FROM attempts WHERE task = 1")
    assert.is_true(began >= opens, began - opens)
  end)

  it("is waited for until the task's time limit at most", function()
    pipeline [[
      tg.task "a" { resource = "api", run = call },
      tg.task "b" { after = "a", when = "all_done", resource = "api", timeout = "2s", run = call },
    ]]
    settings "resources:\n  api: { breaker: { failures: 1, open: 1h } }\n"
    box:write("files/path", serve() .. "/status/500")
    local run = box:run()
    assert.equal("failed", run.states.b)
    assert.equal("timeout", run.by_name.b.error.code)
    assert.matches("resource api is not to be used: its breaker is open until",
      run.by_name.b.error.message)
    assert.equal(1, #box:lines "files/log")
  end)

  it("can be switched off, and what is wrong about it is told with its place", function()
    pipeline [[
      tg.task "a" { resource = "api", run = call, retry = { attempts = 8, base = "1ms" } },
    ]]
    settings "resources:\n  api: { breaker: false }\n"
    box:write("files/path", serve() .. "/status/500")
    assert.equal(8, (box:run()).by_name.a.attempts)
    settings "resources:\n  api: { breaker: { failurs: 3 } }\n"
    local result = box:tidegate("run", "p")
    assert.equal(2, result.code)
    assert.matches('tidegate.yaml:4:%d+: unknown key "failurs"; did you mean "failures"', result.err)
    settings "resources:\n  api: { breaker: { open: soon } }\n"
    assert.matches("open takes a duration", box:tidegate("run", "p").err)
    settings "resources:\n  api: { breaker: { probes: 9 } }\n"
    assert.matches("probes must be between 1 and 8", box:tidegate("run", "p").err)
  end)
end)

describe("a budget of retries", function()
  it("of a run is shared by its tasks and items, and named by who it stops", function()
    pipeline([[
      tg.task "a" { retry = { attempts = 9, base = "1ms" }, run = function()
        error { class = "transient", message = "no luck" }
      end },
      tg.map "m" { over = function() return { 1, 2, 3 } end, fail_after = 9, after = "a",
        when = "all_done", retry = { attempts = 9, base = "1ms" }, run = function()
          error { class = "transient", message = "no luck" }
        end },
    ]], "limits = { retries = 4 },")
    local run, result = box:run()
    assert.equal(1, result.code)
    assert.equal(5, run.by_name.a.attempts)
    assert.equal("no luck; not tried again: the run's budget of 4 retries is used up",
      run.by_name.a.error.message)
    assert.equal("3", box:sql "SELECT count(*) FROM attempts WHERE task = 1 AND item >= 0")
    assert.matches("ended failed; the run's budget of 4 retries is used up", why "a")
    local attempts = box:document("show", "last").run.attempts
    assert.equal("the run's budget of 4 retries is used up", attempts[5].stop)
  end)

  it("of a run is not filled again when its host is killed", function()
    pipeline([[
      tg.task "a" { retry = { attempts = 9, base = "1ms" }, run = function(ctx)
        if ctx.attempt == 3 then while file.stat("files/wait") do end end
        error { class = "transient", message = "no luck" }
      end },
    ]], "limits = { retries = 3 },")
    box:write("files/wait", "")
    killed_when("SELECT group_concat(state) FROM attempts", "failed,failed,running")
    os.remove(box.dir .. "/files/wait")
    assert.equal("failed", (box:run()).state)
    -- Two were granted before, one is after; the attempt that was lost is none.
    assert.equal("failed,failed,lost,failed,failed",
      box:sql "SELECT group_concat(state) FROM attempts")
  end)

  it("of a resource is one for the whole host, from run to run", function()
    pipeline [[
      tg.task "a" { resource = "api", retry = { attempts = 9, base = "1ms" }, run = function()
        error { class = "transient", message = "no luck" }
      end },
    ]]
    settings [[
resources:
  api: { breaker: false, retries: { ratio: 0.5, reserve: 0, cap: 3 } }
]]
    local first, second = box:run(), box:run()
    assert.equal(4, first.by_name.a.attempts) -- the cap
    assert.matches("resource api has no retries left", first.by_name.a.error.message)
    assert.equal(1, second.by_name.a.attempts)
    assert.equal(2, (box:run()).by_name.a.attempts) -- each first try is worth a half
  end)
end)

local function instant(text)
  return tonumber(box:sql(("SELECT CAST(round((julianday('%s') - 2440587.5) * 86400000) AS INTEGER)")
    :format(text)))
end

describe("a deadline", function()
  it("is the earliest of what binds an attempt, and told to it", function()
    pipeline([[
      tg.task "own" { timeout = "10m", run = function(ctx) return ctx.deadline end },
      tg.task "tries" { timeout = "10m", retry = { attempts = 2, base = "1ms", total = "5m" },
        run = function(ctx)
          if ctx.attempt == 1 then error { class = "transient", message = "once more" } end
          return ctx.deadline
        end },
      tg.task "of_run" { timeout = "2h", run = function(ctx) return ctx.deadline end },
      tg.cmd "command" { argv = { "sh", "-c", 'printf \'"%s"\' "$TIDEGATE_DEADLINE"' },
        output = "json" },
      tg.task "after_all" { teardown = true, run = function(ctx) return ctx.deadline == nil end },
    ]], [[limits = { timeout = "1h" },]])
    local run, result = box:run()
    assert.equal("success", run.state, result.err)
    local began = tonumber(box:sql "SELECT created_at FROM runs")
    local function started(task)
      return tonumber(box:sql("SELECT min(started_at) FROM attempts WHERE task = " .. task))
    end
    local function near(expected, name)
      local got = instant(run.by_name[name].output)
      assert.is_true(math.abs(got - expected) < 5000, name .. " " .. got - expected)
    end
    near(started(0) + 600000, "own")
    near(started(1) + 300000, "tries")
    near(began + 3600000, "of_run")
    near(began + 3600000, "command")
    assert.is_true(run.by_name.after_all.output)
    assert.matches("deadline +%d", box:tidegate("show", "last").out)
  end)

  it("goes down to child runs that are waited for", function()
    pipeline([[
      tg.run "waited" { pipeline = "inner", timeout = "20m" },
      tg.run "started" { pipeline = "inner", wait = false, after = "waited" },
    ]], [[limits = { timeout = "1h" },]])
    box:pipeline("inner", [[ tg.task "a" { run = function(ctx) return ctx.deadline or "none" end }, ]])
    assert.equal("success", (box:run()).state)
    local first = tonumber(box:sql "SELECT started_at FROM attempts WHERE run = 1 AND task = 0")
    local inherited = tonumber(box:sql "SELECT deadline_at FROM runs WHERE number = 2")
    assert.is_true(math.abs(inherited - first - 1200000) < 5000)
    assert.equal(inherited, instant(box:sql(
      "SELECT json_extract(output, '$') FROM tasks WHERE run = 2")))
    assert.equal("none", box:sql "SELECT json_extract(output, '$') FROM tasks WHERE run = 3")
  end)

  it("ends the child with its parent", function()
    pipeline([[ tg.run "waited" { pipeline = "inner", timeout = "1s" }, ]])
    box:pipeline("inner", [[ tg.task "a" { run = function(ctx) ctx:sleep("10m") end }, ]])
    local run, result = box:run()
    assert.equal("failed", run.state)
    assert.equal(4, result.code)
    assert.not_equal("running", box:sql "SELECT state FROM runs WHERE number = 2")
  end)

  it("that a retry could not keep is not waited for", function()
    pipeline([[
      tg.task "a" { retry = { attempts = 5, base = "2h", cap = "2h", jitter = "none" },
        run = function() error { class = "transient", message = "no luck" } end },
    ]], [[limits = { timeout = "1h" },]])
    local run = box:run()
    assert.equal("failed", run.states.a)
    assert.equal(1, run.by_name.a.attempts)
    assert.matches("no luck; not tried again: the next try could not begin before the run's time limit",
      run.by_name.a.error.message)
    assert.matches("could not begin before the run's time limit", why "a")
  end)
end)

describe("a function as fallback", function()
  it("stands in for what a command, a gate, a child run or an item of a map gave", function()
    pipeline [[
      tg.cmd "command" { argv = { "sh", "-c", "echo x >>files/log; exit 9" }, retry = { attempts = 2, base = "1ms",
        on = { "transient", "permanent" } },
        fallback = function(ctx, err) return { of = ctx.task, said = err.message } end },
      tg.gate "gate" { contract = "none", table = "nothing_there",
        fallback = function(_, err) return err.class end },
      tg.run "child" { pipeline = "broken", fallback = function(_, err) return err.message end },
      tg.map "items" { over = function() return { "a", "b" } end,
        run = function(ctx) if ctx.index == 2 then error "no" end return "run" end,
        fallback = function(ctx, err) return ctx.item .. ctx.index .. err.message:sub(-2) end },
      tg.task "all" { after = { "command", "gate", "child", "items" },
        run = function(ctx) return ctx.output.command.of end },
    ]]
    box:pipeline("broken", [[ tg.task "a" { run = function() error "broken" end }, ]])
    box:write("contracts/none.yaml", [[
apiVersion: v3.1.0
kind: DataContract
id: none
version: 1.0.0
status: active
schema: [{ name: nothing_there, properties: [{ name: id, logicalType: integer }] }]
]])
    local run, result = box:run()
    assert.equal(0, result.code, result.err)
    assert.same({ of = "command", said = "the command ended with exit code 9" },
      run.by_name.command.output)
    assert.same({ "x", "x" }, box:lines "files/log")
    assert.equal(3, run.by_name.command.attempts)
    assert.equal("contract", run.by_name.gate.output)
    assert.matches('pipeline "broken" ended failed: a: .*broken', run.by_name.child.output)
    assert.same({ "run", "b2no" }, run.by_name.items.output)
    assert.equal("command", run.by_name.all.output)
  end)

  it("that a command came to is taken up where its host was killed", function()
    pipeline [[
      tg.cmd "a" { argv = { "false" }, fallback = function()
        assert(file.write("files/log", (file.read("files/log") or "") .. "again\n"))
        while file.stat("files/wait") do end
        return "instead"
      end },
    ]]
    box:write("files/wait", "")
    killed_when("SELECT count(*) FROM attempts WHERE number = 2 AND state = 'running'", "1")
    os.remove(box.dir .. "/files/wait")
    assert.equal("instead", box:run().by_name.a.output)
    assert.equal("again again", table.concat(box:lines "files/log", " "))
  end)
end)

describe("a task as fallback", function()
  it("stands in for one that has failed for good, and the run is not failed by it", function()
    pipeline [[
      tg.task "source" { run = function() return 5 end },
      tg.task "fetch" { after = "source", fallback = "cached", retry = { attempts = 2, base = "1ms" },
        run = function() error { class = "transient", message = "the source is away" } end },
      tg.task "cached" { run = function(ctx)
        return { rows = ctx.output.source, because = ctx.error.message, class = ctx.error.class }
      end },
      tg.task "use" { after = "fetch", run = function(ctx)
        return ctx.output.fetch.rows .. " " .. ctx.output.fetch.because
      end },
    ]]
    local run, result = box:run()
    assert.equal(0, result.code, result.err)
    assert.same({ source = "success", fetch = "success", cached = "success", use = "success" },
      run.states)
    assert.equal("5 the source is away", run.by_name.use.output)
    assert.equal("transient", run.by_name.fetch.output.class)
    assert.equal("cached", run.by_name.fetch.fallback)
    assert.equal(2, run.by_name.fetch.attempts)
    assert.matches("its fallback cached stands in for it: success", why "fetch")
    assert.matches("stands in for fetch, which failed: the source is away", why "cached")
    local shown = box:tidegate("show", "last").out
    assert.matches("fetch +success +2 .*fallback cached", shown)
    assert.matches("cached +success +1 .*in the place of fetch", shown)
  end)

  it("is skipped where it is not needed, and fails the run where it fails as well", function()
    pipeline [[
      tg.task "a" { fallback = "spare", run = function()
        if file.stat("files/broken") then error { class = "permanent", message = "broken" } end
      end },
      tg.cmd "spare" { argv = { "false" } },
    ]]
    local run = box:run()
    assert.same({ a = "success", spare = "skipped" }, run.states)
    assert.matches("is the fallback of a, which ended success without it", why "spare")
    box:write("files/broken", "")
    local failed = box:run()
    assert.same({ a = "failed", spare = "failed" }, failed.states)
    assert.equal("broken", failed.by_name.a.error.message)
    os.remove(box.dir .. "/files/broken")
    assert.equal(0, box:tidegate("rerun", "last", "--from-failure").code)
    assert.matches("spare +skipped", box:tidegate("show", "last").out)
  end)

  it("goes on where its host was killed", function()
    pipeline [[
      tg.task "a" { fallback = "spare", run = function()
        error { class = "permanent", message = "broken" }
      end },
      tg.task "spare" { run = function()
        assert(file.write("files/log", (file.read("files/log") or "") .. "spare\n"))
        while file.stat("files/wait") do end
        return "spared"
      end },
    ]]
    box:write("files/wait", "")
    killed_when("SELECT state FROM attempts WHERE task = 1", "running")
    os.remove(box.dir .. "/files/wait")
    local run = box:run()
    assert.equal("spared", run.by_name.a.output)
    assert.equal(1, run.by_name.a.attempts)
    assert.equal("spare spare", table.concat(box:lines "files/log", " "))
  end)

  it("that cannot be one is told where it stands", function()
    local function fault(tasks)
      pipeline(tasks)
      local result = box:tidegate("check")
      assert.equal(2, result.code)
      return result.out .. result.err
    end
    assert.matches('fallback names "spar".*did you mean "spare"', fault [[
      tg.task "a" { fallback = "spar", run = call },
      tg.task "spare" { run = call },
    ]])
    assert.matches("a gate fails closed", fault [[
      tg.gate "a" { fallback = "spare", contract = "none", table = "t" },
      tg.task "spare" { run = call },
    ]])
    assert.matches("cannot wait for each other", fault [[
      tg.task "a" { fallback = "spare", run = call },
      tg.task "spare" { after = "a", run = call },
    ]])
    assert.matches("a task and its fallback end together", fault [[
      tg.task "a" { fallback = "spare", run = call },
      tg.task "b" { after = "a", run = call },
      tg.task "spare" { after = "b", run = call },
    ]])
    assert.matches('that of "b" as well', fault [[
      tg.task "a" { fallback = "spare", run = call },
      tg.task "b" { fallback = "spare", run = call },
      tg.task "spare" { run = call },
    ]])
  end)
end)

describe("a policy for retries", function()
  local function policy(text)
    box:write("pipelines/policies/again.lua", ([[
local tg = require "tidegate"
return {
  kind = "retry",
  input = { error = { class = tg.string(), message = tg.string() }, attempt = tg.int(),
            task = tg.string() },
  decide = function(input) %s end,
}
]]):format(text))
  end

  local TASK = [[
    tg.task "a" { retry = tg.policy "again", run = function(ctx)
      if ctx.attempt < 4 then error { class = "permanent", message = "not " .. ctx.attempt } end
      return ctx.attempt
    end },
  ]]

  it("says whether to go on, and when; that is recorded with its version", function()
    pipeline(TASK)
    policy [[return { action = "retry", delay = input.attempt .. "ms",
      reason = input.task .. " was " .. input.error.message }]]
    local run, result = box:run()
    assert.equal("success", run.state, result.err)
    assert.equal(4, run.by_name.a.output)
    local decisions = box:document("show", "last").run.decisions
    assert.equal(3, #decisions)
    assert.equal("retry", decisions[2].action)
    assert.equal("a was not 2", decisions[2].reason)
    assert.equal(64, #decisions[2].version)
    assert.matches("policy again .* decided retry: a was not 1", why "a")
  end)

  it("stops, and its reason is that of the failure", function()
    pipeline(TASK)
    policy [[if input.attempt < 2 then return { action = "retry", delay = "1ms" } end
      return { action = "stop", reason = "twice is enough" }]]
    local run = box:run()
    assert.equal("failed", run.state)
    assert.equal(2, run.by_name.a.attempts)
    assert.equal("not 2; not tried again: policy again: twice is enough",
      run.by_name.a.error.message)
    assert.matches("ended failed; policy again: twice is enough", why "a")
  end)

  it("that fails, answers nonsense or too late stops", function()
    for text, message in pairs {
      ['error "oh"'] = "policy again could not decide: .*oh",
      ['return { action = "perhaps" }'] = 'its action is "perhaps", and can be retry or stop',
      ['return { action = "retry", delay = "soon" }'] = "its delay is no duration",
      ["while true do end"] = "policy again could not decide: .*longer than",
    } do
      pipeline(TASK)
      policy(text)
      local run = box:run()
      assert.equal("failed", run.state)
      assert.equal(1, run.by_name.a.attempts)
      assert.matches(message, run.by_name.a.error.message)
      box:write("files/over", "")
      box:close()
    end
    pipeline(TASK)
  end)

  it("has the limits of the table that it stands in", function()
    pipeline [[
      tg.task "a" { retry = { decide = tg.policy "again", attempts = 3, base = "1ms" },
        run = function() error { class = "transient", message = "no luck" } end },
      tg.cmd "b" { argv = { "false" }, retry = { decide = tg.policy "again", on = "permanent" } },
    ]]
    policy [[return { action = "retry" }]]
    local run = box:run()
    assert.equal(3, run.by_name.a.attempts)
    assert.equal(1, run.by_name.b.attempts) -- its class is not asked about
    assert.equal("2", box:sql "SELECT count(*) FROM decisions")
  end)

  it("is changed while the run goes on", function()
    pipeline [[
      tg.task "a" { retry = tg.policy "again", run = function(ctx)
        file.write("files/attempt", tostring(ctx.attempt))
        while file.stat("files/wait") do end
        error { class = "transient", message = "no luck" }
      end },
    ]]
    policy [[return { action = "retry", delay = "1ms" }]]
    box:write("files/wait", "")
    project.shell(("cd %s && { %s >/dev/null 2>&1 & }"):format(
      project.quote(box.dir), project.command { "run", "p" }))
    project.shell(("cd %s && while ! test -s files/attempt; do sleep 0.01; done"):format(
      project.quote(box.dir)))
    policy [[return { action = "stop", reason = "edited" }]]
    os.remove(box.dir .. "/files/wait")
    project.shell(("cd %s && for i in $(seq 500); do " ..
      "[ \"$(sqlite3 .tidegate/state.db 'SELECT state FROM runs')\" = failed ] && break; " ..
      "sleep 0.02; done"):format(project.quote(box.dir)))
    assert.equal("1", box:sql "SELECT count(*) FROM attempts")
    assert.equal("edited", box:sql "SELECT reason FROM decisions")
  end)

  it("that is not there is told where it is named", function()
    pipeline [[ tg.task "a" { retry = tg.policy "agian", run = call }, ]]
    local result = box:tidegate("check")
    assert.matches('there is no policy "agian"', result.out .. result.err)
    pipeline [[ tg.task "a" { retry = { base = "1s" }, run = call }, ]]
    result = box:tidegate("check")
    assert.matches("retry.attempts is missing", result.out .. result.err)
  end)
end)
