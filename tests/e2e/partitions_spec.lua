-- SPDX-License-Identifier: Apache-2.0
-- Partitions: a pipeline whose every occurrence is run for each of its parts.
local project = require "support.project"

local box
local function of(...) box = project.of(...) return box end
after_each(function() if box then box:close() end box = nil end)

local FIELDS = [[ on = { tg.cron("0 5 * * *") }, partitions = { "EU", "US" },
  params = { tag = tg.string { default = function(p, run) return "t_" .. run.partition end } }, ]]
local TASKS = [[
  tg.task "a" { produces = "orders", run = function(ctx)
    ctx:emit_asset { name = "own" }
    ctx:emit_asset { name = "other", partition = "all" }
    return { ctx.partition, ctx.params.tag }
  end },
  tg.cmd "c" { argv = { "sh", "-c", "echo $TIDEGATE_PARTITION >>files/log; test ! -e files/$TIDEGATE_PARTITION.broken" } },
]]

local function column(list, name)
  local values = {}
  for i, occurrence in ipairs(list.occurrences) do values[i] = occurrence[name] or false end
  return values
end

local function backfill(...)
  local document, result = box:document("backfill", "p", "--from", "2026-11-01", "--to", "2026-11-03", ...)
  return document.backfill, result
end

describe("a run of a partition", function()
  it("tells it to its tasks, its assets and whoever looks", function()
    of(TASKS, FIELDS)
    local run, result = box:run { "p", "--partition", "EU" }
    assert.equal(0, result.code, result.err)
    assert.equal("EU", run.partition)
    assert.same({ "EU", "t_EU" }, run.by_name.a.output)
    assert.same({ "EU" }, box:lines "files/log")
    local partitions = {}
    for _, asset in ipairs(box:document("show", "last").run.asset_versions) do partitions[asset.asset] = asset.partition end
    assert.same({ own = "EU", other = "all", orders = "EU" }, partitions)
    assert.matches("\npartition +EU\n", box:tidegate("show", "last").out)
    assert.matches("p %[EU%]", box:tidegate("runs").out)
    assert.equal("EU", box:document("runs").runs[1].partition)
    assert.same({ 1, 0 }, { #box:document("runs", "--partition", "EU").runs, #box:document("runs", "--partition", "US").runs })
  end)

  it("is asked for, and only where there are partitions", function()
    of(TASKS, FIELDS)
    for words, message in pairs {
      [{ "run", "p" }] = "pipeline p has partitions: a run is of one, --partition NAME, with EU, US",
      [{ "run", "p", "--partition", "UK" }] = 'no partition "UK"; it has EU, US',
      [{ "backfill", "p", "--from", "2026-11-01", "--to", "2026-11-02", "--partitions", "EU,XX" }] = '"XX"',
      [{ "backfill", "p", "--from", "2026-11-01", "--to", "2026-11-02", "--partitions", "EU,EU" }] = "twice",
    } do
      local result = box:tidegate(table.unpack(words))
      assert.equal(2, result.code)
      assert.matches(message, result.err, 1, true)
    end
    box:pipeline("q", [[ tg.task "a" { run = function(ctx) return { ctx.partition == nil } end } ]])
    assert.matches("pipeline q has no partitions", box:tidegate("run", "q", "--partition", "EU").err)
    assert.same({ true }, box:run({ "q" }).by_name.a.output)
  end)

  it("is an occurrence of its own", function()
    of(TASKS, FIELDS)
    for _, partition in ipairs { "EU", "US", "EU" } do
      assert.equal(0, box:tidegate("run", "p", "--at", "2026-11-01T05:00:00Z", "--partition", partition).code)
    end
    assert.same({ "EU", "US" }, box:lines "files/log") -- the third had succeeded
    local rerun = box:document("rerun", "last").run
    assert.same({ "US", 1, "t_US" }, { rerun.partition, rerun.rerun, rerun.params.tag })
    assert.equal(3, #box:document("runs").runs)
  end)
end)

describe("a backfill of partitions", function()
  it("runs each occurrence for each, and goes on where some failed", function()
    of(TASKS, FIELDS)
    box:write("files/US.broken", "")
    local list, result = backfill()
    assert.equal(1, result.code)
    assert.same({ "EU", "US", "EU", "US" }, column(list, "partition"))
    assert.same({ "success", "failed", "success", "failed" }, column(list, "state"))
    assert.matches("PARTITION", box:tidegate("backfill", "p", "--from", "2026-11-01", "--to", "2026-11-03", "--dry-run").out)
    os.remove(box.dir .. "/files/US.broken")
    list, result = backfill "--dry-run"
    assert.same({ "leave", "rerun from failure", "leave", "rerun from failure" }, column(list, "action"), result.err)
    list, result = backfill()
    assert.equal(0, result.code, result.err)
    assert.same({ "success", "success", "success", "success" }, column(list, "state"))
    assert.equal("EU|0\nEU|0\nUS|0\nUS|0\nUS|1\nUS|1",
      box:sql "SELECT partition, rerun FROM runs ORDER BY partition, rerun")
  end)

  it("runs those that are named", function()
    of(TASKS, FIELDS)
    local list = backfill("--partitions", "US")
    assert.same({ "US", "US" }, column(list, "partition"))
    assert.same({ "US", "US" }, box:lines "files/log")
    assert.same({ "run", "leave", "run", "leave" },
      column((backfill("--dry-run", "--partitions", "EU,US")), "action"))
  end)
end)

describe("a child run", function()
  local CHILD = [[ tg.task "a" { run = function(ctx)
    return { ctx.partition or "none", ctx.logical_date, ctx.interval.start, ctx.interval["end"] } end }, ]]

  it("is about the same data as its parent", function()
    of([[ tg.run "own" { pipeline = "child" },
      tg.run "chosen" { pipeline = "child", partition = function(ctx) return ctx.partition == "EU" and "US" end },
      tg.run "plain" { pipeline = "plain" },
      tg.run "none" { pipeline = "plain", partition = "EU" },
      tg.run "wrong" { pipeline = "child", partition = "XX" }, ]], FIELDS)
    box:pipeline("child", CHILD, 'partitions = { "EU", "US" },')
    box:pipeline("plain", CHILD)
    local run = box:run { "p", "--at", "2026-11-01T05:00:00Z", "--partition", "EU" }
    assert.same({ own = "success", chosen = "success", plain = "success", none = "failed", wrong = "failed" },
      run.states)
    local same = { "2026-11-01T05:00:00.000Z", "2026-11-01T05:00:00.000Z", "2026-11-02T05:00:00.000Z" }
    assert.same({ "EU", table.unpack(same) }, run.by_name.own.output.outputs.a)
    assert.same({ "US", table.unpack(same) }, run.by_name.chosen.output.outputs.a)
    assert.same({ "none", table.unpack(same) }, run.by_name.plain.output.outputs.a)
    assert.matches('no partition "XX"', run.by_name.wrong.error.message)
    assert.matches("pipeline plain has no partitions", run.by_name.none.error.message)
  end)
end)

describe("the partitions of a pipeline", function()
  it("are names, each once", function()
    for text, message in pairs {
      ['"EU", "EU"'] = "stands there twice", ['"a,b"'] = "is no name of a partition",
      ['""'] = "is no name of a partition", ["5"] = "partitions",
    } do
      of(TASKS, "partitions = { " .. text .. " },")
      local result = box:tidegate("check")
      assert.equal(2, result.code, text)
      assert.matches(message, result.out .. result.err, 1, true)
      box:close()
    end
    box = nil
  end)
end)
