-- SPDX-License-Identifier: Apache-2.0
-- The modules a task may use, through the host: http, store, dag, retry, json, sql, file, and the
-- project's own.
local project = require "support.project"

local box
local function of(...) box = project.of(...) return box end

local function serve() return box:serve() end

after_each(function() if box then box:close() end box = nil end)

describe("tidegate.http", function()
  local function served(tasks)
    of(tasks, [[params = { port = tg.int {} },]])
    local run, result = box:run { "p", "-p", "port=" .. serve() }
    box:write("files/over", "")
    return run, result
  end

  it("gives a response, and errors by class", function()
    local run, result = served [[
      tg.task "all" { run = function(ctx)
        local http = require "tidegate.http"
        local base = "http://127.0.0.1:" .. ctx.params.port
        local echo = assert(http.post(base .. "/echo", { json = { rows = 12 },
          headers = { ["X-Key"] = ctx.key } }))
        assert(echo.status == 200 and echo.body:find('{"rows":12}', 1, true))
        assert(echo.body:lower():find("x-key: " .. ctx.key, 1, true))
        local put = assert(http.put(base .. "/echo?x=1", { form = { a = "b c" } }))
        assert(put.body:find("PUT /echo?x=1", 1, true) and put.body:find("a=b", 1, true))
        assert(http.get(base .. "/chain/3").body == "end")
        local missing = http.get(base .. "/none")
        assert(missing.status == 404 and missing.class == "permanent")
        local busy = http.get(base .. "/status/429?retry_after=7")
        assert(busy.class == "throttled" and busy.retry_after == 7)
        local nothing, why = busy:json()
        assert(nothing == nil and why.class == "throttled" and why.retry_after == 7, tostring(why))
        nothing, why = http.get(base .. "/chain/0"):json()
        assert(nothing == nil and why.code == "invalid" and why.class == "permanent")
        local none, err = http.get("http://127.0.0.1:1/")
        assert(none == nil and err.code == "connect" and err.class == "transient")
        local slow, late = http.get(base .. "/slow_headers", { timeout = "200ms" })
        assert(slow == nil and late.code == "timeout")
        local big, large = http.get(base .. "/big/100000", { max_bytes = 1000 })
        assert(big == nil and large.code == "limit")
        return #http.get(base .. "/big/1000000").body
      end },
      tg.task "throttled" { retry = { attempts = 2, base = "10ms" }, run = function(ctx)
        local http = require "tidegate.http"
        if ctx.attempt == 1 then
          return http.get("http://127.0.0.1:" .. ctx.params.port .. "/status/503"):check()
        end
        return "second"
      end },
      tg.task "many" { run = function(ctx)
        local http = require "tidegate.http"
        local sum = 0
        for i = 1, 200 do
          sum = sum + #http.get("http://127.0.0.1:" .. ctx.params.port .. "/big/100").body
        end
        return sum
      end },
    ]]
    assert.same({ all = "success", throttled = "success", many = "success" }, run.states, result.err)
    assert.equal(1000000, run.by_name.all.output)
    assert.equal(2, run.by_name.throttled.attempts)
    assert.equal(20000, run.by_name.many.output)
  end)

  it("sends a secret that the script cannot read and nothing shows", function()
    of([[
      tg.task "a" { run = function(ctx)
        local http, tg = require "tidegate.http", require "tidegate"
        local secret = tg.secret "TOKEN"
        ctx:log("%s", tostring(secret))
        local echo = assert(http.get(ctx.params.url, { headers = { authorization = "Bearer " .. secret } }))
        ctx:log(echo.body)
        if not echo.body:find("Bearer", 1, true) then error "no header" end
        error(echo.body)
      end },
    ]], [[params = { url = tg.string {} },]])
    local url = "http://127.0.0.1:" .. serve() .. "/echo"
    local result = box:call({ "-v", "run", "p", "-p", "url=" .. url },
      { env = { TIDEGATE_SECRET_TOKEN = "canary-7f3a9c" } })
    box:write("files/over", "")
    assert.equal(1, result.code)
    assert.not_matches("no header", result.err)
    assert.not_matches("canary", result.err)
    assert.equal("", (select(2, project.shell("grep -rl canary " .. box.dir .. "/.tidegate"))))
  end)
end)

describe("tidegate.store", function()
  it("is the pipeline's own, durable, with compare-and-set", function()
    of [[
      tg.task "a" { run = function()
        local store = require "tidegate.store"
        local seen = store.get "count" or 0
        assert(store.put("count", seen + 1))
        assert(store.put("deep", { a = { 1, 2, { b = 9007199254740993 } } }))
        assert(store.get("deep").a[3].b == 9007199254740993)
        assert(store.cas("once", nil, "first") == (seen == 0))
        local swapped, current = store.cas("count", -1, 0)
        assert(swapped == false and current == seen + 1)
        assert(store.put("x/1", 1) and store.put("x/2", 2))
        assert(#store.list "x/" == 2)
        assert(store.delete "x/1" == true and store.delete "x/1" == false)
        assert(store.put("short", 1, { ttl = "1ms" }))
        assert(not pcall(store.put, "function", print))
        return seen
      end },
      tg.task "b" { after = "a", run = function(ctx)
        ctx:sleep("20ms")
        assert(require("tidegate.store").get "short" == nil)
      end },
    ]]
    box:pipeline("other", [[ tg.task "a" { run = function()
      return require("tidegate.store").get "count" == nil
    end }, ]])
    assert.equal(0, box:run().by_name.a.output)
    local run, result = box:run()
    assert.equal("success", run.state, result.err)
    assert.equal(1, run.by_name.a.output)
    assert.is_true(box:run({ "other" }).by_name.a.output)
  end)
end)

describe("tidegate.dag, tidegate.retry, tidegate.json, cjson and modules of the project", function()
  it("work in a task", function()
    of [[
      tg.task "a" { run = function()
        local dag, retry = require "tidegate.dag", require "tidegate.retry"
        local json, cjson = require "tidegate.json", require "cjson"
        local graph = assert(dag.new { a = {}, b = "a", c = { "a", "b" } })
        assert(table.concat(graph:order(), " ") == "a b c")
        local cyclic, err = dag.new { a = "b", b = "a" }
        assert(cyclic == nil and tostring(err.message):find "a %-> b %-> a")
        assert(retry.policy { attempts = 3, base = "1s", jitter = "none" })
        assert(json.decode("[9007199254740993]")[1] == 9007199254740993)
        assert(cjson.decode('{"a": [1, 2]}').a[2] == 2)
        assert(select(2, pcall(require, "tidegate.jsn")))
        return dates.tomorrow
      end },
    ]]
    box:write("pipelines/p.lua", 'local dates = require "lib.dates"\n' .. box:read "pipelines/p.lua")
    box:write("pipelines/lib/dates.lua", "return { tomorrow = 'friday' }")
    local run, result = box:run()
    assert.equal("success", run.state, result.err)
    assert.equal("friday", run.by_name.a.output)
  end)
end)

describe("tidegate.sql and tidegate.file", function()
  it("work on the warehouse and below the roots", function()
    of [[
      tg.task "a" { run = function()
        local sql, file = require "tidegate.sql", require "tidegate.file"
        assert(file.write("files/in.csv", "id,name\n1,x\n2,y\n"))
        assert(sql.exec "CREATE TABLE IF NOT EXISTS bronze_x (id INTEGER, name TEXT)")
        assert(sql.exec "DELETE FROM bronze_x")
        assert(sql.load_csv("bronze_x", "files/in.csv", { header = true }))
        assert(sql.load("bronze_x", { { id = 3, name = "z" } }))
        local ok = pcall(sql.transaction, function()
          assert(sql.exec "DELETE FROM bronze_x")
          error "no"
        end)
        local lines = 0
        for _ in file.lines "files/in.csv" do lines = lines + 1 end
        local denied, err = file.read "/etc/hostname"
        assert(denied == nil and err.code == "denied")
        assert(file.read "tidegate.yaml" == nil)
        assert(file.stat("files/in.csv").size == 16)
        assert(#file.list "files" >= 1)
        local rows = assert(sql.query("SELECT id FROM bronze_x WHERE id >= ?", { 2 }))
        return { lines = lines, rows = #rows, first = rows[1].id }
      end },
    ]]
    local run, result = box:run()
    assert.equal("success", run.state, result.err .. tostring((run.by_name.a.error or {}).message))
    assert.same({ lines = 3, rows = 2, first = 2 }, run.by_name.a.output)
  end)
end)
