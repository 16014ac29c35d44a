-- SPDX-License-Identifier: Apache-2.0
-- The parameters of a run: required, computed from others, frozen with the run.
local project = require "support.project"

local box
local function of(...) box = project.of(...) return box end
after_each(function() if box then box:close() end box = nil end)

local TASK = [[ tg.task "a" { run = function(ctx) return ctx.params end }, ]]
local COMPUTED = [[ params = {
  region = tg.enum { "US", "EU", default = "EU" },
  day = tg.date { default = tg.logical_date },
  target = tg.string { default = function(p) return ("orders_%s_%s"):format(p.region:lower(), p.day) end },
}, ]]

local function rerun(...)
  local document, result = box:document("rerun", ...)
  return document.run, result
end

describe("a required parameter", function()
  it("is asked for with its type and the -p to give", function()
    of(TASK, "params = { region = tg.enum { 'US', 'EU' }, n = tg.int { default = 1 } },")
    for _, words in ipairs {
      { "run", "p" }, { "run", "p", "--at", "2026-11-20" },
      { "backfill", "p", "--from", "2026-11-01", "--to", "2026-11-02", "--every", "1d" },
    } do
      local result = box:tidegate(table.unpack(words))
      assert.equal(2, result.code)
      assert.equal('tidegate: parameter "region" is required and has no default: it takes one of '
        .. "US, EU; give it with -p region=VALUE\n", result.err)
    end
    assert.equal("", box:tidegate("-o", "jsonl", "runs").out)
  end)

  it("is asked for when a rerun on the latest bundle needs it", function()
    of(TASK)
    box:run()
    box:pipeline("p", TASK, "params = { n = tg.int {} },")
    local result = box:tidegate("rerun", "last")
    assert.equal(2, result.code)
    assert.matches('"n" is required', result.err)
    assert.equal(3, rerun("last", "-p", "n=3").params.n)
    assert.same({}, rerun(box:document("runs").runs[2].id, "--bundle", "original").params)
  end)
end)

describe("a computed parameter", function()
  it("follows from the others, and is checked and frozen like them", function()
    of(TASK, COMPUTED)
    local run = box:run { "p", "--at", "2026-11-20", "-p", "region=US" }
    assert.equal("orders_us_2026-11-20", run.params.target)
    assert.same(run.params, run.by_name.a.output)
    assert.equal("mine", box:run { "p", "-p", "target=mine" }.params.target)
    box:pipeline("p", TASK, (COMPUTED:gsub("orders_", "other_")))
    local id = box:document("runs").runs[2].id
    assert.equal("orders_us_2026-11-20", rerun(id).params.target)
    assert.equal("orders_us_2026-11-20", rerun("last").params.target)
  end)

  it("is computed anew when a rerun changes what it may follow from", function()
    of(TASK, COMPUTED)
    box:run { "p", "--at", "2026-11-20" }
    local document = box:document("rerun", "last", "-p", "region=US", "--dry-run")
    assert.equal("orders_us_2026-11-20", document.rerun.params.target)
    assert.equal("orders_us_2026-11-20", rerun("last", "-p", "region=US", "--bundle", "original").params.target)
    assert.equal("mine", rerun("last", "-p", "region=EU", "-p", "target=mine").params.target)
  end)

  it("sees the interval of each occurrence of a backfill", function()
    of(TASK, [[ params = { hours = tg.list { of = tg.string {}, default = function(_, run)
      return { run.interval.start:sub(12, 13), run.interval["end"]:sub(12, 13) } end } }, ]])
    local list = box:document("backfill", "p", "--from", "2026-11-01", "--to", "2026-11-02", "--every", "12h")
    local runs = box:document("runs").runs
    assert.same({ "success", "success" }, { list.backfill.occurrences[1].state, runs[1].state })
    assert.same({ "12", "00" }, box:document("show", "last").run.params.hours)
    assert.matches("has succeeded already", box:tidegate("run", "p", "--at", "2026-11-01T12:00:00Z", "-p",
      'hours=["12","00"]').err)
  end)

  it("is computed for a child run too", function()
    of [[ tg.run "c" { pipeline = "child", params = { region = "US" } }, ]]
    box:pipeline("child", TASK, COMPUTED)
    local run = box:run()
    assert.equal("success", run.states.c)
    assert.matches("^orders_us_", box:document("show", run.by_name.c.output.run).run.params.target)
  end)

  it("that cannot be is an error before anything runs", function()
    of(TASK, [[ params = { a = tg.int { default = function(p) return p.b end },
      b = tg.int { default = function(p) return p.a end }, c = tg.string { pattern = "%u+", default = "X" } }, ]])
    local result = box:tidegate("run", "p")
    assert.equal(2, result.code)
    assert.equal("tidegate: parameters need each other: a -> b -> a\n", result.err)
    assert.matches('"c" must be a string like', box:tidegate("run", "p", "-p", "a=1", "-p", "c=x").err)
    assert.same({ a = 1, b = 1, c = "X" }, box:run { "p", "-p", "a=1" }.params)
    assert.equal(1, #box:document("runs").runs)
  end)

  it("may take no longer than a policy, and its worker is replaced", function()
    of(TASK, [[ params = { a = tg.int { default = function() while true do end end } }, ]])
    local result = box:tidegate("run", "p")
    assert.matches("p.lua:3: deciding took longer than 2000 ms", result.err)
    assert.is_not.equal(0, result.code)
  end)
end)
