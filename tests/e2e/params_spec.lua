-- SPDX-License-Identifier: Apache-2.0
-- The parameters of a run: required, computed from others, secret, frozen with the run.
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

describe("check", function()
  local CHILD = "params = { n = tg.int {}, region = tg.enum { 'US', 'EU', default = 'EU' }, "
    .. "token = tg.string { secret = true, default = tg.secret 'T' } },"

  local function faults(fields)
    of([[ tg.run "c" { pipeline = "child", ]] .. fields .. " }, ")
    box:pipeline("child", TASK, CHILD)
    local document, result = box:document("check")
    box:close()
    box = nil
    assert.equal(#document.faults == 0 and 0 or 2, result.code)
    return document.faults
  end

  it("knows what a child run is not given, as far as it stands in the script", function()
    for fields, message in pairs {
      [""] = '"n" is required', ["params = { n = 'x' }"] = '"n" takes a whole number',
      ["params = { n = 1, regoin = 'EU' }"] = 'did you mean "region"',
      ["params = { n = 1, region = 'XX' }"] = '"region" cannot be "XX"',
    } do
      local found = faults(fields)
      assert.same({ "pipelines/p.lua", 5 }, { found[1].file, found[1].line })
      assert.matches('run "c": ', found[1].message, 1, true)
      assert.matches(message, found[1].message, 1, true)
    end
    for _, fields in ipairs {
      "params = { n = 1 }", "params = { n = 1, token = tg.secret 'X' }", "params = function() return {} end",
    } do
      assert.same({}, faults(fields))
    end
  end)

  it("knows a child that is not there", function()
    of [[ tg.run "c" { pipeline = "chidl" }, ]]
    box:pipeline("child", TASK)
    assert.matches("there is no pipelines/chidl.lua; did you mean pipelines/child.lua?",
      box:document("check").faults[1].message, 1, true)
    assert.equal(2, box:tidegate("check", "pipelines/p.lua").code)
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

  it("makes no other occurrence of one that ran with another version", function()
    of(TASK, COMPUTED)
    box:run { "p", "--at", "2026-11-20" }
    box:pipeline("p", TASK, (COMPUTED:gsub("orders_", "other_")))
    assert.matches("has succeeded already", box:tidegate("run", "p", "--at", "2026-11-20").err)
    local range = { "backfill", "p", "--from", "2026-11-20", "--to", "2026-11-21", "--every", "1d" }
    assert.equal("leave", box:document(table.unpack(range)).backfill.occurrences[1].action)
    range[#range + 1], range[#range + 2] = "--only", "stale"
    local stale = box:document(table.unpack(range)).backfill.occurrences[1]
    assert.same({ "rerun", "success" }, { stale.action, stale.state })
    assert.matches("the pipeline has changed", stale.stale)
    assert.equal("other_eu_2026-11-20", box:document("show", "last").run.params.target)
    assert.equal("leave", box:document(table.unpack(range)).backfill.occurrences[1].action)
    box:run { "p", "--at", "2026-11-20", "-p", "target=mine" } -- what is given tells runs apart
    assert.equal(3, #box:document("runs").runs)
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
    assert.matches("^tidegate: the parameters cannot be computed: .*p.lua:3: deciding took longer than 2000 ms", result.err)
    assert.equal(2, result.code)
  end)
end)

describe("a secret parameter", function()
  local SECRET = "canary-7f3a9c"
  local SHOWS = [[
    tg.task "a" { run = function(ctx)
      ctx:log("%s", tostring(ctx.params.token))
      return { ctx.params.token, "Bearer " .. ctx.params.token }
    end },
    tg.cmd "c" { shell = true, argv = 'echo "$TIDEGATE_PARAMS"; echo "$TIDEGATE_PARAM_TOKEN" | tr a-z b-za; '
      .. 'echo "{\\"t\\":\\"$TIDEGATE_PARAM_TOKEN\\"}"', output = "json" },
    tg.cmd "d" { shell = true, argv = 'echo "$TIDEGATE_PARAM_TOKEN" >&2; exit 3' },
  ]]
  local FIELDS = "params = { token = tg.string { secret = true } },"

  local function assert_unseen(result)
    assert.not_matches("canary", result.out .. result.err)
    assert.equal("", (select(2, project.shell("grep -rl canary " .. box.dir .. "/.tidegate"))))
  end

  it("reaches commands and HTTP, and is seen nowhere", function()
    of(SHOWS .. [[ tg.task "h" { run = function(ctx)
        local echo = assert(require("tidegate.http").get("http://127.0.0.1:" .. ctx.params.port .. "/echo",
          { headers = { authorization = "Bearer " .. ctx.params.token } }))
        ctx:log(echo.body)
        return #echo.body:match "Bearer (c%w+%-7f3a9c)"
      end }, ]], "params = { token = tg.string { secret = true }, port = tg.int {} },")
    local run, result = box:run({ "p", "-v", "-p", "token=env:SHOP", "-p", "port=" .. box:serve() },
      { env = { SHOP = SECRET } })
    box:write("files/over", "")
    assert.same({ a = "success", c = "success", d = "failed", h = "success" }, run.states, result.err)
    assert.equal(13, run.by_name.h.output)
    assert.equal("***", run.by_name.c.output.t)
    assert.matches("dbobsz%-7g3b9d", box:tidegate("logs", "last", "c").out) -- each letter one on
    assert.equal("env:SHOP", run.params.token)
    assert_unseen(result)
  end)

  it("is named by its place, of which one may be the command line", function()
    of(SHOWS, FIELDS)
    box:write("token", SECRET .. "\n")
    for place, call in pairs {
      ["env:SHOP"] = { env = { SHOP = SECRET } }, ["file:token"] = {}, ["value:" .. SECRET] = {},
      ["-"] = { before = "printf " .. SECRET .. " |" },
    } do
      local run, result = box:run({ "p", "-p", "token=" .. place }, call)
      assert.equal("***", run.by_name.c.output.t, place)
      assert_unseen(result)
    end
    local places = {}
    for i, run in ipairs(box:document("runs").runs) do
      places[i] = box:document("show", run.id).run.params.token:gsub("^file:/.*/token$", "file")
    end
    table.sort(places)
    assert.same({ "env:SHOP", "file", "stdin", "value:token" }, places)
  end)

  it("that is written down, missing or empty is told without it", function()
    of(SHOWS, FIELDS)
    for _, case in ipairs {
      { {}, '"token" is required and secret; give it with %-p token=env:VARIABLE' },
      { { "token=" .. SECRET }, '"token" is secret: say where it is' },
      { { "token=env:" }, '"token" is secret: say where it is' },
      { { "token=env:SHOP" }, 'secret parameter "token": the environment variable SHOP' },
      { { "token=env:EMPTY" }, "is empty" },
      { { "token=file:nowhere" }, "cannot open nowhere" },
      { { "token=-" }, "no secret on standard input" },
      { { "token=secret:NIX" }, "neither TIDEGATE_SECRET_NIX nor /run/secrets/NIX" },
    } do
      local words = { "run", "p" }
      for _, word in ipairs(case[1]) do words[#words + 1] = "-p" words[#words + 1] = word end
      local result = box:call(words, { env = { EMPTY = "" } })
      assert.is_not.equal(0, result.code)
      assert.matches(case[2], result.err)
      assert.not_matches("canary", result.err)
    end
    assert.equal("", box:tidegate("-o", "jsonl", "runs").out)
  end)

  it("of several lines is hidden line by line", function()
    of([[ tg.cmd "a" { shell = true,
      argv = 'echo "$TIDEGATE_PARAM_TOKEN"; echo "$TIDEGATE_PARAM_TOKEN" >&2; exit 1' }, ]], FIELDS)
    box:write("key", "-----BEGIN\ncanaryone1\r\ncanarytwo2\n-----END---\n")
    local result = box:tidegate("run", "p", "-v", "-p", "token=file:key")
    assert.equal(1, result.code)
    assert_unseen(result)
  end)

  it("is found again by a rerun, or asked for", function()
    of(SHOWS, FIELDS)
    box:run({ "p", "-p", "token=env:SHOP" }, { env = { SHOP = SECRET } })
    assert.matches("SHOP, which holds a secret, is not set", box:tidegate("rerun", "last").err)
    assert.equal(1, box:call({ "rerun", "last" }, { env = { SHOP = SECRET } }).code)
    assert.equal(1, box:call { "rerun", "last", "-p", "token=value:" .. SECRET }.code)
    local result = box:call { "rerun", "last" }
    assert.matches("on the command line, and that is not kept; give it again with %-p", result.err)
    assert.equal(3, #box:document("runs").runs)
  end)

  it("has a secret of the host as its default", function()
    of(SHOWS, 'params = { token = tg.string { secret = true, default = tg.secret "SHOP" } },')
    local run = box:run({ "p" }, { env = { TIDEGATE_SECRET_SHOP = SECRET } })
    assert.equal("***", run.by_name.c.output.t)
    assert.equal("secret:SHOP", run.params.token)
  end)

  it("is passed to a child run as a handle only", function()
    of([[
      tg.run "own" { pipeline = "child", params = function(ctx) return { token = ctx.params.token } end },
      tg.run "named" { pipeline = "child", params = function() return { token = tg.secret "OTHER" } end },
      tg.run "text" { pipeline = "child", params = { token = "env:SHOP" } },
      tg.run "through" { pipeline = "child", params = function(ctx) return { token = ctx.params.plain } end },
    ]], "params = { token = tg.string { secret = true }, plain = tg.string { default = 'env:SHOP' } },")
    box:pipeline("child", SHOWS:gsub('tg.cmd "d".-\n', ""), FIELDS)
    local run, result = box:run({ "p", "-p", "token=env:SHOP" },
      { env = { SHOP = SECRET, TIDEGATE_SECRET_OTHER = "canary-other" } })
    assert.same({ own = "success", named = "success", text = "failed", through = "failed" }, run.states)
    assert.equal("***", run.by_name.named.output.outputs.c.t)
    assert_unseen(result)
  end)

  it("is declared without what scripts would have to see it for", function()
    for fields, message in pairs {
      ["token = tg.string { secret = true, pattern = 'x' }"] = "no pattern and no length",
      ["token = tg.string { secret = true, default = 'x' }"] = "must be a secret, not \"x\"",
      ["token = tg.int { secret = true }"] = "secret",
      ["token = tg.list { of = tg.string { secret = true } }"] = "cannot be secret",
    } do
      of(SHOWS, "params = { " .. fields .. " },")
      local result = box:tidegate("check")
      assert.equal(2, result.code)
      assert.matches(message, result.out .. result.err, 1, true)
      box:close()
    end
    of(SHOWS, FIELDS:gsub("},$", ", n = tg.int { default = function(p) return #p.token end } },"))
    local result = box:call({ "run", "p", "-p", "token=env:SHOP" }, { env = { SHOP = SECRET } })
    assert.matches('p.lua:3: parameter "token" is secret', result.err, 1, true)
  end)
end)
