-- SPDX-License-Identifier: Apache-2.0
-- limits.runs and overlap: runs of one pipeline that one host is asked for at the same time.
local project = require "support.project"

local box
after_each(function() if box then box:close() end box = nil end)

-- A child notes when it begins and ends, and whether another one is at work meanwhile.
local CHILD = [[
  tg.cmd "work" { shell = true, argv = [=[
    mkdir files/work 2>/dev/null || echo twice >>files/log
    echo $TIDEGATE_PARAM_N >>files/log
    while test -e files/wait; do sleep 0.02; done
    rmdir files/work 2>/dev/null; true]=] },
]]

local PARAMS = "params = { n = tg.int { default = 0 } },"

local function children(count, fields)
  local tasks = {}
  for i = 1, count do
    tasks[i] = ('tg.run "r%d" { pipeline = "c", params = { n = %d }, priority = %d %s },'):format(
      i, i, -i, fields or "")
  end
  return table.concat(tasks, "\n")
end

local function of(parent, limits)
  box = project.of(parent)
  box:pipeline("c", CHILD, PARAMS .. limits)
end

local function states()
  local list = {}
  for state in box:sql("SELECT state FROM runs WHERE pipeline = 'c' ORDER BY number"):gmatch "%S+" do
    list[#list + 1] = state
  end
  return list
end

local function count(state)
  return tonumber(box:sql(("SELECT count(*) FROM runs WHERE pipeline = 'c' AND state = '%s'"):format(
    state)))
end

local function begin()
  project.shell(("cd %s && (%s >files/out 2>files/err; echo $? >files/code) >/dev/null 2>&1 &")
    :format(project.quote(box.dir), project.command { "run", "p" }))
end

local function until_true(condition)
  for _ = 1, 1000 do
    local is_known, holds = pcall(condition) -- there may be no store yet
    if is_known and holds then return end
    project.shell "sleep 0.02"
  end
  error "it did not come"
end

local function wait_for_end()
  until_true(function() return box:read "files/code" end)
  return tonumber(box:read "files/code")
end

local function host_kill()
  project.shell(("kill -9 $(cat %s/.tidegate/lock)"):format(project.quote(box.dir)))
  assert.equal(137, wait_for_end())
  os.remove(box.dir .. "/files/code")
end

-- What the children are called, in the order in which they came.
local function line()
  return box:sql([[SELECT group_concat(json_extract(params, '$.n'), ' ')
    FROM (SELECT params FROM runs WHERE pipeline = 'c' ORDER BY logical_at, number)]])
end

describe("overlap", function()
  it("queues what is too many, and each has its turn alone", function()
    of(children(4), "limits = { runs = 1 },")
    local run, result = box:run()
    assert.equal("success", run.state, result.err)
    assert.equal(line(), table.concat(box:lines "files/log", " "))
  end)

  it("shows a queued run and says what it waits for", function()
    of(children(2), "limits = { runs = 1 },")
    box:write("files/wait", "")
    begin()
    until_true(function() return count "queued" == 1 and count "running" == 1 end)
    local holder = box:sql "SELECT id FROM runs WHERE pipeline = 'c' AND state = 'running'"
    local queued = box:sql "SELECT id FROM runs WHERE state = 'queued'"
    local shown = box:document("show", queued).run
    assert.equal("queued", shown.state)
    assert.is_nil(shown.started_at)
    assert.truthy(shown.created_at)
    local reasons = box:document("why", queued).reasons
    assert.equal("overlap", reasons[1].kind)
    assert.is_nil(reasons[1]["until"])
    assert.matches("limits.runs is 1", reasons[1].text)
    assert.truthy(reasons[1].text:find(holder, 1, true))
    assert.equal(1, #box:document("runs", "--state", "queued").runs)
    project.shell "sleep 0.2" -- less than 0.1 s would not be told
    os.remove(box.dir .. "/files/wait")
    assert.equal(0, wait_for_end())
    reasons = box:document("why", queued).reasons
    assert.same({ "overlap", true }, { reasons[1].kind, reasons[1]["until"] ~= nil })
    assert.truthy(reasons[1].text:find("limits.runs is 1, when it was made there ran " .. holder, 1, true))
    local told = 0
    for _, name in ipairs { "r1", "r2" } do
      for _, reason in ipairs(box:document("why", "last", name).reasons) do
        if reason.text:find "was queued for a place among its runs" then
          told = told + 1
          assert.equal(queued, reason.run)
        end
      end
    end
    assert.equal(1, told)
  end)

  it("keeps the line when its host is killed", function()
    of(children(4), "limits = { runs = 1 },")
    box:write("files/wait", "")
    begin()
    until_true(function() return count "queued" == 3 and box:read "files/log" end)
    host_kill()
    local before = line()
    os.remove(box.dir .. "/files/wait")
    project.shell("rm -rf " .. box.dir .. "/files/work")
    local run, result = box:run()
    assert.equal("success", run.state, result.err)
    assert.equal(before, line())
    assert.equal(before:sub(1, 2) .. before, table.concat(box:lines "files/log", " "))
  end)

  it("skips, which is no failure", function()
    of(children(3), 'limits = { runs = 1, overlap = "skip" },')
    box:write("files/wait", "")
    begin()
    until_true(function() return count "skipped" == 2 end)
    os.remove(box.dir .. "/files/wait")
    assert.equal(0, wait_for_end())
    local run = box:document("show", "last").run
    assert.equal("success", run.state)
    local skipped = box:document("runs", "--state", "skipped").runs
    assert.equal(2, #skipped)
    local reasons = box:document("why", skipped[1].id).reasons
    assert.matches("ended skipped.*limits.runs of c is 1", reasons[#reasons].text)
    local outcomes = {}
    for _, task in ipairs(run.tasks) do outcomes[task.output.state] = task.state end
    assert.same({ success = "success", skipped = "success" }, outcomes)
  end)

  it("cancels what runs for what is newer", function()
    of([[
      tg.run "r1" { pipeline = "c", wait = false },
      tg.cmd "works" { after = "r1", shell = true,
        argv = "while ! test -e files/first; do sleep 0.02; done" },
      tg.run "r2" { after = "works", pipeline = "c" },
    ]], "")
    box:pipeline("c", [[
      tg.cmd "work" { shell = true,
        argv = "if mkdir files/first 2>/dev/null; then exec sleep 60; fi; test -e files/down" },
      tg.cmd "down" { after = "work", teardown = true, when = "always",
        argv = { "touch", "files/down" } },
    ]], PARAMS .. 'limits = { runs = 1, overlap = "cancel_running" },')
    local _, result = box:run()
    assert.equal(0, result.code, result.err)
    assert.same({ "cancelled", "success" }, states())
    local newer = box:sql "SELECT id FROM runs WHERE pipeline = 'c' AND state = 'success'"
    assert.equal(newer, box:sql [[SELECT substr(error_message, 29, 36) FROM runs
      WHERE pipeline = 'c' AND state = 'cancelled']])
  end)

  it("allows", function()
    of(children(3), 'limits = { runs = 1, overlap = "allow" },')
    box:write("files/wait", "")
    begin()
    until_true(function() return count "running" == 3 end)
    os.remove(box.dir .. "/files/wait")
    assert.equal(0, wait_for_end())
  end)

  it("lets no run wait for itself", function()
    box = project.of([[ tg.run "between" { pipeline = "c" }, ]], "limits = { runs = 1 },")
    box:pipeline("c", [[ tg.run "again" { pipeline = "p" }, ]])
    local run, result = box:run()
    assert.equal(1, result.code)
    assert.matches('a run of pipeline "p" led to this one', run.by_name.between.error.message)
  end)

  it("cancels a queued run that nobody has begun", function()
    of(children(2), "limits = { runs = 1 },")
    box:write("files/wait", "")
    begin()
    until_true(function() return count "queued" == 1 end)
    local queued = box:sql "SELECT id FROM runs WHERE state = 'queued'"
    assert.equal(0, box:tidegate("cancel", queued).code)
    os.remove(box.dir .. "/files/wait")
    assert.equal(1, wait_for_end()) -- whoever waited for it has not what it wanted
    assert.equal("cancelled", box:document("show", queued).run.state)
    assert.equal(1, #box:lines "files/log")
  end)
end)

describe("pools of the project", function()
  local YAML = "name: test\nfiles:\n  - { path: files, write: true }\npools: { warehouse: 1 }\n"
  local TAKES = [[ tg.cmd "a" { pool = %s, shell = true, argv =
    "mkdir files/in || echo twice >>files/log; sleep 0.05; rmdir files/in; true" }, ]]

  it("are shared by the pipelines that take from them", function()
    box = project.of([[ tg.run "c" { pipeline = "c" }, tg.run "d" { pipeline = "d" }, ]] ..
      TAKES:format '"warehouse"')
    box:write("tidegate.yaml", YAML)
    box:pipeline("c", TAKES:format '"warehouse"')
    box:pipeline("d", TAKES:format "{ warehouse = 1 }")
    local run, result = box:run()
    assert.equal("success", run.state, result.err)
    assert.is_nil(box:read "files/log")
  end)

  it("must have what a task takes, in one place", function()
    local cases = {
      { TAKES:format "{ warehouse = 2 }", "",
        "pipelines/p.lua:5: cmd \"a\": it takes 2 slots of the pool \"warehouse\", which has 1" },
      { TAKES:format '"warehose"', "", 'has a pool "warehose" [did you mean "warehouse"?]' },
      { TAKES:format '"warehouse"', "pools = { warehouse = 2 },",
        'the pool "warehouse" has 2 slots here and 1 in tidegate.yaml' },
    }
    for _, case in ipairs(cases) do
      box = project.of(case[1], case[2])
      box:write("tidegate.yaml", YAML)
      local checked, run = box:tidegate "check", box:tidegate("run", "p")
      assert.same({ 2, 2 }, { checked.code, run.code })
      assert.truthy(checked.out:find(case[3], 1, true), checked.out)
      assert.truthy(run.err:find(case[3], 1, true), run.err)
      box:close()
    end
    box = project.new { ["tidegate.yaml"] = "pools: { warehouse: none }" }
    assert.matches("tidegate.yaml:1:%d+: .*whole number", box:tidegate("check").err)
  end)
end)
