-- SPDX-License-Identifier: Apache-2.0
-- Maps by the real binary: what the items give, what is kept of them, and what a killed host leaves.
local project = require "support.project"

local box
local function of(...) box = project.of(...) return box end
after_each(function() if box then box:close() end box = nil end)

-- In tasks: leaves a line in a file of the item each time it runs.
local NOTE = [[
  local file = require "tidegate.file"
  local path = "files/item." .. n
  assert(file.write(path, (file.read(path) or "") .. "ran\n"))
]]

-- Kills the host of a run in the background once a query of its store gives a text and a command
-- of the shell succeeds.
local function killed_when(query, text, command)
  project.shell(("cd %s && { %s >/dev/null 2>&1 & pid=$!; " ..
    "for i in $(seq 2000); do [ \"$(sqlite3 .tidegate/state.db %s 2>/dev/null)\" = %s ] && %s && " ..
    "break; sleep 0.01; done; kill -9 $pid; wait $pid; } 2>/dev/null"):format(
    project.quote(box.dir), project.command { "run", "p" }, project.quote(query),
    project.quote(text), command))
  assert.equal(text, box:sql(query))
end

describe("tg.map", function()
  it("gives the outputs of its items in their order", function()
    of [[
      tg.task "list" { run = function() return { 3, 1, 2 } end },
      tg.map "square" { after = "list", limit = 2,
        over = function(ctx) return ctx.output.list end,
        run = function(ctx, n) assert(ctx.item == n) return n * n end },
      tg.map "text" { over = "square", order = "depth",
        run = function(ctx, n) return ("%d:%d"):format(ctx.index, n) end },
      tg.task "last" { after = "text", run = function(ctx) return ctx.output.text end },
    ]]
    local run = box:run()
    assert.equal("success", run.state)
    assert.same({ 9, 1, 4 }, run.by_name.square.output)
    assert.same({ "1:9", "2:1", "3:4" }, run.by_name.last.output)
  end)

  it("fails for one failed item, and tells which; the others have run", function()
    of [[
      tg.map "m" { over = function() return { 1, 2, 3 } end, limit = 1, run = function(ctx, n)
        if n == 1 then error "no one" end
        ctx:log("item %d", n)
        return n
      end },
    ]]
    local run, result = box:run()
    assert.equal(1, result.code)
    assert.matches("1 of 3 items failed; m%[0%]: .*no one", run.by_name.m.error.message)
    assert.equal("2", box:sql "SELECT count(*) FROM items WHERE state = 'success'")
  end)

  it("tolerates what fail_after says", function()
    of [[
      tg.map "m" { over = function() return { 1, 2, 3, 4 } end, fail_after = "50%",
        run = function(ctx, n) assert(n > 2) return n end },
      tg.task "rest" { after = "m", run = function(ctx)
        local json = require "tidegate.json"
        return ctx.output.m[1] == json.null and ctx.output.m[4] == 4
      end },
    ]]
    local run = box:run()
    assert.equal("success", run.state)
    assert.is_true(run.by_name.rest.output)
  end)

  it("is not larger than items_max", function()
    of [[
      tg.map "m" { over = function() return { 1, 2, 3 } end, items_max = 2, run = print },
    ]]
    local run = box:run()
    assert.equal("failed", run.state)
    assert.equal("limit", run.by_name.m.error.code)
    assert.matches("3 items", run.by_name.m.error.message)
  end)

  it("runs 5,000 items", function()
    of [[
      tg.map "m" {
        over = function() local t = {} for i = 1, 5000 do t[i] = i end return t end,
        run = function(ctx, n) return n end },
      tg.task "sum" { after = "m", run = function(ctx)
        local sum = 0
        for _, n in ipairs(ctx.output.m) do sum = sum + n end
        return sum
      end },
    ]]
    assert.equal(12502500, box:run().by_name.sum.output)
  end)

  it("goes on with the items that were not done when its host was killed", function()
    of([[
      tg.map "m" { limit = 3,
        over = function() local t = {} for i = 1, 20 do t[i] = i end return t end,
        run = function(ctx, n)
          ]] .. NOTE .. [[
          while n > 8 and file.stat("files/wait") do ctx:sleep("10ms") end
          return n * 10
        end },
      tg.map "n" { over = "m", order = "depth", run = function(ctx, n) return n + 1 end },
    ]])
    box:write("files/wait", "")
    killed_when("SELECT count(*) FROM items", "16", -- eight of each map; three hang
      "test -e files/item.9 && test -e files/item.10 && test -e files/item.11")
    os.remove(box.dir .. "/files/wait")
    local run = box:run()
    assert.equal("success", run.state)
    local tens, ones = {}, {}
    for i = 1, 20 do tens[i], ones[i] = i * 10, i * 10 + 1 end
    assert.same(tens, run.by_name.m.output)
    assert.same(ones, run.by_name.n.output)
    for i = 1, 20 do
      local often = #box:lines("files/item." .. i)
      assert.equal((i >= 9 and i <= 11) and 2 or 1, often, "item " .. i)
    end
    assert.equal("1", box:sql "SELECT count(*) FROM runs")
    assert.equal("ok", box:sql "PRAGMA integrity_check")
  end)
end)
