-- SPDX-License-Identifier: Apache-2.0
local project_of = require "support.project"

describe("worker.build", function()
  local project
  before_each(function() project = project_of.new { ["pipelines/s.sql"] = "SELECT 1 AS a" } end)
  after_each(function() project:close() end)

  it("makes a plan with indexes and milliseconds", function()
    local plan = assert(project:build [[
      doc = "D", limits = { timeout = "2h", tasks = 3 },
      params = { region = tg.enum { "US", "EU", default = "EU" },
                 day = tg.date { default = tg.logical_date },
                 sizes = tg.list { of = tg.int { min = 1 }, default = { 1, 2 } } },
      on = { tg.cron("0 5 * * mon-fri", { tz = "Europe/Berlin" }),
             tg.event { type = "x", fate = "coalesce", window = "30s" } },
      tasks = {
        tg.task "a" { run = function() end, retry = { attempts = 5, base = "2s" }, timeout = "5m" },
        tg.branch "b" { after = "a", to = { "c" }, decide = function() return "c" end },
        tg.cmd "c" { argv = { "true" }, env = { "PATH", STAGE = "prod" }, when = "one_success" },
      } ]])
    assert.equal("test", plan.name)
    assert.equal(7200000, plan.limits.timeout_ms)
    assert.same({ nil, 3, "queue" }, { plan.limits.runs, plan.limits.tasks, plan.limits.overlap })
    assert.same({ "day", "region", "sizes" },
      { plan.params[1].name, plan.params[2].name, plan.params[3].name })
    assert.equal("logical_date", plan.params[1].default_is)
    assert.is_false(plan.params[1].required)
    assert.same({ "US", "EU" }, plan.params[2].values)
    assert.same({ "int", 1, { 1, 2 } },
      { plan.params[3].items, plan.params[3].min, plan.params[3].default })
    assert.same(
      { kind = "cron", at = "pipelines/test.lua:5", expr = "0 5 * * mon-fri", tz = "Europe/Berlin",
        missed = "latest", on_closed = "skip" },
      plan.on[1])
    assert.equal(30000, plan.on[2].window_ms)
    local a, b, c = table.unpack(plan.tasks)
    assert.same({ 5, 2000, 300000, "exponential", "full" },
      { a.retry.attempts, a.retry.base_ms, a.retry.cap_ms, a.retry.backoff, a.retry.jitter })
    assert.equal(300000, a.timeout_ms)
    assert.same({ { 0 }, { 1 } }, { b.after, c.after })
    assert.same({ 2 }, b.to)
    assert.equal("command", c.runner)
    assert.same({ pass = { "PATH" }, set = { STAGE = "prod" } }, c.command.env)
    assert.equal("one_success", c.when)
  end)

  it("caps delays at five minutes, or at a longer base", function()
    local plan = project:build [[ tasks = {
      tg.task "a" { run = print, retry = { attempts = 2, base = "10m" } },
    } ]]
    assert.same({ 600000, 600000 }, { plan.tasks[1].retry.base_ms, plan.tasks[1].retry.cap_ms })
  end)

  it("tells what a task is beside its order", function()
    local plan = assert(project:build [[
      limits = { retries = 20 },
      tasks = {
        tg.task "up" { run = print, setup = true },
        tg.task "a" { after = "up", run = print, resource = "api.example.com", fallback = print },
        tg.cmd "down" { after = "up", argv = "true", teardown = true },
        tg.cmd "off" { after = "a", argv = "true", teardown = true, when = "one_failed" },
      } ]])
    local up, a, down, off = table.unpack(plan.tasks)
    assert.equal(20, plan.limits.retries)
    assert.is_true(up.setup)
    assert.same({ "api.example.com", true }, { a.resource, a.fallback })
    assert.same({ true, "all_done", "one_failed" }, { down.teardown, down.when, off.when })
  end)

  it("writes lists that are empty as lists", function()
    local json = require "tidegate.json"
    local plan = project:build 'tasks = { tg.task "a" { run = print } }'
    local text = json.encode(plan)
    for _, field in ipairs { "tags", "params", "on", "policies" } do
      assert.truthy(text:find(('"%s":[]'):format(field), 1, true), field)
    end
  end)

  it("tells of a task only what is not usual", function()
    local plan = project:build 'tasks = { tg.task "a" { run = print } }'
    assert.same({ name = "a", line = plan.tasks[1].line }, plan.tasks[1])
  end)

  it("keeps the assets of one task apart from another's", function()
    local plan = project:build [[ tasks = {
      tg.sql "a" { query = "SELECT 1 AS n", into = "silver_a" },
      tg.sql "b" { query = "SELECT 1 AS n", into = "silver_b" },
    } ]]
    assert.same({ "silver_a" }, plan.tasks[1].produces)
    assert.same({ "silver_b" }, plan.tasks[2].produces)
  end)

  it("tells every fault of a file, each with its line and the nearest right word", function()
    local faults = project:faults [[
      local tg = require "tidegate"
      return tg.pipeline "test" { dok = "x",
        limits = { overlap = "que", timeout = "2 h" },
        tasks = {
          tg.task "a" { run = print, timeout = "5 min" },
          tg.task "b" { after = "aa", runn = print },
          tg.sql "c" { file = "nope.sql", wen = "always" },
          tg.taks "d" {},
          tg.cmd "e" { argv = { "x" }, when = "all_sucess" },
        },
      }]]
    for _, expected in ipairs {
      'pipelines/test.lua:2: pipeline "test": unknown field dok [did you mean "doc"?]',
      'limits.overlap must be one of queue, skip, cancel_running, allow, not "que" [did you mean "queue"?]',
      'limits.timeout must be a duration, not "2 h" [a number with a unit (ms, s, m, h, d)',
      'pipelines/test.lua:5: task "a": timeout must be a duration, not "5 min"',
      'pipelines/test.lua:6: task "b": unknown field runn [did you mean "run"?]',
      'pipelines/test.lua:6: task "b": run is missing',
      'pipelines/test.lua:6: task "b": after names "aa", which is not a task of this pipeline'
        .. ' [did you mean "a"?]',
      'pipelines/test.lua:7: sql "c": unknown field wen [did you mean "when"?]',
      'pipelines/test.lua:7: sql "c": file = "nope.sql": there is no file pipelines/nope.sql',
      'pipelines/test.lua:8: tg.taks is not a word of Tidegate [did you mean "task"?]',
      'pipelines/test.lua:9: cmd "e": when must be one of all_success,',
    } do
      assert.truthy(faults:find(expected, 1, true), expected .. "\nis not in\n" .. faults)
    end
  end)

  local cases = {
    { "a file that returns no pipeline", "return 5",
      "the file must return a pipeline, it returned 5" },
    { "a file that returns nothing", "local x = tg return", "it returned nothing" },
    { "a pipeline without tasks", "tasks = {}", 'pipeline "test" has no tasks' },
    { "a pipeline without the field", "doc = 'x'", "tasks is missing" },
    { "a bad name", 'return tg.pipeline "A-b" { tasks = { tg.task "a" { run = print } } }',
      'its name must be a name, not "A-b"' },
    { "a task without a name", "tasks = { tg.task { run = print } }",
      "tg.task needs a name first" },
    { "a task without a body", 'tasks = { tg.task "a" }', 'task "a": has no body' },
    { "a value that is no task", 'tasks = { "a" }', 'tasks[1] must be a task, not "a"' },
    { "a task under a name", 'tasks = { a = tg.task "a" { run = print } }', "tasks is a list" },
    { "a second task of a name",
      'tasks = {\n tg.task "a" { run = print },\n tg.task "a" { run = print } }',
      'test.lua:3: task "a": this name is taken by the task at pipelines/test.lua:2' },
    { "a task after itself", 'tasks = { tg.task "a" { after = "a", run = print } }',
      "it cannot come after itself" },
    { "a cycle", 'tasks = { tg.task "a" { after = "c", run = print },'
      .. 'tg.task "b" { after = "a", run = print }, tg.task "c" { after = "b", run = print } }',
      "the graph has a cycle: a -> b -> c -> a" },
    { "a branch that leads backwards", 'tasks = { tg.task "a" { run = print },'
      .. 'tg.branch "b" { after = "a", to = "a", decide = print } }', "a -> b -> a" },
    { "a branch to nowhere", 'tasks = { tg.branch "b" { to = { "c" }, decide = print } }',
      'to names "c", which is not a task' },
    { "a decision that is none", 'tasks = { tg.branch "b" { to = {}, decide = "x" } }',
      'decide must be a function or a policy, not "x"' },
    { "a policy that is not there",
      'tasks = { tg.task "a" { run = print }, tg.branch "b" { to = "a", decide = tg.policy "p" } }',
      'there is no policy "p" [it would be pipelines/policies/p.lua]' },
    { "too many attempts", 'tasks = { tg.task "a" { run = print, retry = { attempts = 0 } } }',
      "retry.attempts must be an integer from 1 to 1000, not 0" },
    { "a cap below the base", 'tasks = { tg.task "a" { run = print,'
      .. ' retry = { attempts = 2, base = "1m", cap = "1s" } } }', "must not be shorter" },
    { "a default out of its enum", 'params = { r = tg.enum { "US", default = "EU" } },'
      .. 'tasks = { tg.task "a" { run = print } }', 'default must be one of US, not "EU"' },
    { "a default out of its range", 'params = { n = tg.int { min = 3, default = 1 } },'
      .. 'tasks = { tg.task "a" { run = print } }', "an integer of at least 3, not 1" },
    { "a parameter that is no type", 'params = { n = 5 }, tasks = { tg.task "a" { run = print } }',
      'parameter "n": must be a type, not 5' },
    { "a parameter with a reserved name", 'params = { run_id = tg.string {} },'
      .. 'tasks = { tg.task "a" { run = print } }', 'parameter "run_id"' },
    { "a calendar with a field that is none", 'on = { tg.cron("0 5 * * *", { calendar = { holyday = "x" } }) },'
      .. 'tasks = { tg.task "a" { run = print } }', 'did you mean "holidays"' },
    { "a schedule that does something else when it is closed",
      'on = { tg.cron("0 5 * * *", { on_closed = "wait" }) },'
      .. 'tasks = { tg.task "a" { run = print } }', "on_closed must be one of skip, shift" },
    { "a fallback that is none", 'tasks = { tg.task "a" { run = print, fallback = 5 } }',
      'fallback must be a function or the name of a task, not 5' },
    { "a resource without a name", 'tasks = { tg.task "a" { run = print, resource = "" } }',
      "resource must be the name of a resource" },
    { "a task that is setup and teardown",
      'tasks = { tg.task "a" { run = print, setup = true, teardown = true } }',
      "it cannot be setup and teardown at once" },
    { "two sources of statements", 'tasks = { tg.sql "s" { file = "s.sql", query = "SELECT 1" } }',
      "file and query exclude each other" },
    { "no statements", 'tasks = { tg.sql "s" {} }', "needs statements: file or query" },
    { "statements of comments only", 'tasks = { tg.sql "s" { query = "-- SELECT 1;" } }',
      "there is no statement" },
    { "into with a statement that is no query",
      'tasks = { tg.sql "s" { query = "DELETE FROM a", into = "a" } }', "must be one query" },
    { "into with two statements",
      'tasks = { tg.sql "s" { query = "SELECT 1; SELECT 2", into = "a" } }', "must be one query" },
    { "a partition of nothing",
      'tasks = { tg.sql "s" { query = "SELECT 1", partition = { column = "a", value = 1 } } }',
      "partition needs into" },
    { "a table's name that is none",
      'tasks = { tg.sql "s" { query = "SELECT 1", into = "a; DROP TABLE b" } }',
      "into must be the name of a table or column" },
    { "a contract that is not there", 'tasks = { tg.gate "g" { contract = "nope" } }',
      "it would be contracts/nope.yaml" },
    { "arguments in one string", 'tasks = { tg.cmd "c" { argv = "dbt build" } }',
      'there is no program "dbt build"' },
    { "a shell with two strings", 'tasks = { tg.cmd "c" { argv = { "a", "b" }, shell = true } }',
      "argv must be one string with shell = true" },
    { "a variable that the host sets",
      'tasks = { tg.cmd "c" { argv = { "a" }, env = { TIDEGATE_RUN_ID = "x" } } }',
      "not TIDEGATE_*" },
  }
  for _, case in ipairs(cases) do
    it("refuses " .. case[1], function()
      local faults = project:faults(case[2])
      assert.truthy(faults:find(case[3], 1, true), faults == "" and "there is no fault" or faults)
    end)
  end

  it("is not changed by what the script does to its tables later", function()
    local plan = project:build [[
      local body = { after = { "a" }, run = print }
      local one, odd = tg.task "b" (body), tg.sql "c" { after = body.after, query = "SELECT 1" }
      local given = { tg.task "a" { run = print }, one, odd }
      local made = tg.pipeline "test" { tasks = given }
      body.after[2], body.retry = "c", { attempts = 2 }
      return made]]
    assert.same({ 0 }, plan.tasks[2].after)
    assert.same({ 0 }, plan.tasks[3].after)
    assert.is_nil(plan.tasks[2].retry)
  end)

  it("takes of a table what it says when it is given", function()
    local plan = project:build [[
      local body, tasks = { run = print }, {}
      for i, name in ipairs { "a", "b", "c" } do
        tasks[i] = tg.task(name)(body)
        body.after, body.timeout = name, i > 1 and "5s" or nil
      end
      return tg.pipeline "test" { tasks = tasks }]]
    assert.same({ { line = 3, name = "a" }, { line = 3, name = "b", after = { 0 } },
      { line = 3, name = "c", after = { 1 }, timeout_ms = 5000 } }, plan.tasks)
  end)

  it("takes a declaration that stands in two groups as two tasks", function()
    local plan = project:build [[
      local one, odd = tg.task "one" { run = print }, tg.task "odd" { after = "one", run = print,
        tags = "x" }
      return tg.pipeline "test" { tasks = {
        tg.group "g" { tasks = { one, odd } }, tg.group "h" { after = "g", tasks = { one, odd } } } }]]
    local names, after = {}, {}
    for i, task in ipairs(plan.tasks) do names[i], after[i] = task.name, task.after or {} end
    assert.same({ "g.one", "g.odd", "h.one", "h.odd" }, names)
    assert.same({ {}, { 0 }, { 1 }, { 2 } }, after)
  end)

  it("refuses a declaration that stands twice in one list", function()
    for _, fields in ipairs { "run = print", "run = print, tags = 'x'" } do
      assert.equal('pipelines/test.lua:1: task "a": this name is taken by the task at '
        .. "pipelines/test.lua:1", project:faults(('local a = tg.task "a" { %s } '
        .. 'return tg.pipeline "test" { tasks = { a, a } }'):format(fields)))
    end
  end)

  it("tells nothing of a task that is in no list", function()
    assert.is_truthy(project:build [[
      local a = tg.task "a" { run = 7 }
      return tg.pipeline "test" { tasks = { tg.task "b" { run = print } } }]])
  end)

  it("keeps declarations closed", function()
    project:build [[
      local task = tg.task "a" { run = print }
      assert(not pcall(function() task.name = "b" end) and not pcall(function() return task.run end))
      assert(type(task) == "userdata" and getmetatable(task) == false)
      assert(not pcall(function() tg.task = nil end) and getmetatable(tg) == false)
      return tg.pipeline "test" { tasks = { task } }]]
  end)

  it("refuses words once the file is read", function()
    project:build 'tasks = { tg.task "a" { run = function() return tg.task "b" {} end } }'
    assert.error_matches(function() project:run(0) end,
      "tg.task declares: it belongs in the file itself", nil, true)
  end)
end)

describe("worker.run", function()
  local project
  before_each(function() project = project_of.new() end)
  after_each(function() project:close() end)

  local function run_task(body, data)
    assert(project:build(('tasks = { tg.task "t" { run = function(ctx) %s end } }'):format(body)))
    return project:run(0, data)
  end

  it("gives what the task returned", function()
    assert.same({ rows = 3 }, (run_task "return { rows = 3 }"))
  end)

  it("gives null for a task that returned nothing, and its facts", function()
    local value, facts = run_task 'ctx:emit_asset { name = "silver", rows = 2 }'
    assert.equal(require("tidegate.json").null, value)
    assert.same({ { name = "silver", rows = 2 } }, facts.assets)
  end)

  it("fails by nil and an error", function()
    local value, err = run_task 'return nil, { class = "throttled", message = "slow down" }'
    assert.is_nil(value)
    assert.equal("throttled", err.class)
  end)

  it("lets an error of the task pass as it is", function()
    local ok, err = pcall(run_task, 'error({ class = "permanent" })')
    assert.is_false(ok)
    assert.equal("permanent", err.class)
  end)

  it("gives what the fallback of a task gives, in its phase", function()
    assert(project:build [[ tasks = { tg.cmd "t" { argv = "false", fallback = function(ctx, err)
      assert(err == ctx.error)
      return { code = err.code, message = err.message }
    end } } ]])
    local err = { code = "exit", class = "transient", message = "code 1" }
    assert.same({ code = "exit", message = "code 1" },
      (project:run(0, { phase = "fallback", error = err })))
  end)

  it("fails on a parameter that only Lua can check", function()
    project:build [[ params = { code = tg.string { pattern = "%u%u" } },
      tasks = { tg.task "t" { run = print } } ]]
    local value, err = project:run(0, { params = { code = "usa" } })
    assert.is_nil(value)
    assert.equal('parameter code must be a string like "%u%u", not "usa"', err.message)
  end)
end)
