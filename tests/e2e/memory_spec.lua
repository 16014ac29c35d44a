-- SPDX-License-Identifier: Apache-2.0
-- valgrind is silent over a whole run and over a check. The script workers are children that seal
-- themselves; valgrind cannot follow into them, their memory is watched by the unit tests.
local project = require "support.project"

local root = require("lfs").currentdir()

local VALGRIND = "valgrind -q --error-exitcode=9 --leak-check=full --show-leak-kinds=definite,indirect"
  .. " --errors-for-leak-kinds=definite,indirect --child-silent-after-fork=yes"
  .. " --suppressions=" .. root .. "/tests/e2e/support/valgrind.supp"

-- A sanitizer's runtime and valgrind exclude one another; a build with one is checked by it.
local function is_sanitized()
  return project.shell("ldd " .. project.quote(project.binary) .. " | grep -q -e libasan -e libtsan") == 0
end

describe("valgrind", function()
  local box
  setup(function()
    box = project.of [[
      tg.task "a" { retry = { attempts = 2, base = "1ms" }, produces = "things",
        run = function(ctx)
          if ctx.attempt == 1 then error "once" end
          ctx:log "hello"
          require("tidegate.store").put("a", 1)
          require("tidegate.file").write("files/a", "x")
          return { rows = 12 }
        end },
      tg.cmd "b" { after = "a", shell = true, argv = "echo out; echo err >&2; echo '{}'", output = "json" },
      tg.cmd "late" { argv = { "sleep", "100" }, timeout = "300ms", grace = "100ms" },
      tg.sql "c" { after = "b", query = "SELECT 1 AS id", into = "silver_c" },
      tg.branch "d" { after = "c", to = { "e", "f" }, decide = function() return "e" end },
      tg.task "e" { run = function() error "boom" end },
      tg.task "f" { run = function() end },
      tg.task "g" { after = { "e", "f" }, run = function() end },
    ]]
  end)
  teardown(function() box:close() end)

  for _, case in ipairs {
    { 1, "run", "p" }, { 0, "check" }, { 0, "show", "last", "-o", "json" }, { 0, "logs", "last" },
    { 0, "why", "last" }, { 0, "graph", "p" }, { 2, "run", "q" },
  } do
    it("is silent over " .. case[2] .. " " .. (case[3] or ""), function()
      local arguments = table.move(case, 2, #case, 1, {})
      if is_sanitized() then return assert.equal(case[1], box:call(arguments).code) end
      local result = box:call(arguments, { wrap = VALGRIND })
      assert.equal(case[1], result.code, result.err)
      assert.not_matches("==%d+==", result.err)
    end)
  end
end)

describe("the main job", function()
  it("runs without a fault of memory, and twice to the same gold tables", function()
    local box = project.new()
    finally(function() box:close() end)
    local call = { cwd = root, wrap = is_sanitized() and "" or VALGRIND }
    local arguments = { "--data", box.dir .. "/.tidegate", "run", "packages" }
    local first = box:call(arguments, call)
    assert.equal(0, first.code, first.err)
    assert.not_matches("==%d+==", first.err)
    local query = "SELECT * FROM gold_size_by_section ORDER BY 1; SELECT * FROM gold_installs_per_day ORDER BY 1"
    local gold = box:sql(query, "warehouse.db")
    assert.is_true(#gold > 100)
    call.wrap = ""
    assert.equal(0, box:call(arguments, call).code)
    assert.equal(gold, box:sql(query, "warehouse.db"))
  end)
end)
