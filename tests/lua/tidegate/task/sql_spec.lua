-- SPDX-License-Identifier: Apache-2.0
local project_of = require "support.project"

describe("tg.sql", function()
  local project, sql
  before_each(function() project = project_of.new() end)
  after_each(function() project:close() end)

  local function run(fields, data)
    assert(project:build(('tasks = { tg.sql "s" { %s } }'):format(fields)))
    sql = require "tidegate.sql"
    assert(sql.open { path = project.dir .. "/warehouse.db" })
    return project:run(0, data)
  end

  -- Runs statements first, so that the task finds them done.
  local function run_after(statements, fields, data)
    run(('query = %q'):format(statements))
    return run(fields, data)
  end

  local function all(query) return assert(sql.query(query)) end

  it("runs statements with the run's values by name", function()
    local value = run([[ query = "CREATE TABLE t (a, b, c, d, e);"
      .. "INSERT INTO t VALUES (:region, :logical_date, :interval_start, :more, :sizes)",
      params = { more = function(ctx) return ctx.attempt + 1 end } ]],
      { params = { region = "EU", sizes = { 1, 2 } } })
    assert.equal(1, value.rows)
    assert.same({ { a = "EU", b = "2026-11-20T05:00:00.000Z", c = "2026-11-19T05:00:00.000Z", d = 2,
      e = "[1,2]" } }, all "SELECT * FROM t")
  end)

  it("undoes all statements when one fails", function()
    local ok, err = pcall(run, 'query = "CREATE TABLE t (a); INSERT INTO nowhere VALUES (1)"')
    assert.is_false(ok)
    assert.equal("sql", err.code)
    assert.equal(0, sql.value "SELECT count(*) FROM sqlite_master")
  end)

  it("replaces a table by the rows of its query, however often it runs", function()
    local fields = [[ into = "gold",
      query = "WITH a AS (SELECT 1 AS n UNION SELECT 2) SELECT n, :run_id AS run FROM a; -- end" ]]
    for _ = 1, 2 do
      local value, facts = run(fields)
      assert.same({ rows = 2, table = "gold" }, value)
      assert.same({ { name = "gold", rows = 2 } }, facts.assets)
    end
    assert.equal(2, sql.value "SELECT count(*) FROM gold")
    assert.equal(1, sql.value "SELECT count(*) FROM sqlite_master")
  end)

  it("replaces a table that its own query and views read", function()
    local made = "CREATE TABLE gold AS SELECT 1 AS n; CREATE VIEW shown AS SELECT n FROM gold"
    run_after(made, 'into = "gold", query = "SELECT n + 1 AS n FROM gold"')
    assert.equal(2, sql.value "SELECT n FROM shown")
  end)

  it("takes a table's name that is a word of SQL", function()
    run 'into = "order", query = "SELECT 1 AS n"'
    assert.equal(1, sql.value 'SELECT n FROM "order"')
  end)

  it("leaves the old table when the query fails", function()
    local ok = pcall(run_after, "CREATE TABLE gold AS SELECT 1 AS n",
      'into = "gold", query = "SELECT n FROM nowhere"')
    assert.is_false(ok)
    assert.equal(1, sql.value "SELECT n FROM gold")
  end)

  local PARTITION = [[ into = "gold", query = "SELECT 7 AS n, :day AS day",
    partition = { column = "day", value = function(ctx) return ctx.params.day end } ]]

  it("makes a table of its first partition", function()
    local _, facts = run(PARTITION, { params = { day = "2026-11-20" } })
    assert.same({ { name = "gold", rows = 1, partition = "2026-11-20" } }, facts.assets)
    assert.same({ { day = "2026-11-20", n = 7 } }, all "SELECT * FROM gold")
  end)

  it("replaces one partition and leaves the others, whatever the order of columns", function()
    local made = "CREATE TABLE gold (day TEXT, n INT, x INT); "
      .. "INSERT INTO gold VALUES ('2026-11-19', 1, 1), ('2026-11-20', 2, 2)"
    for _ = 1, 2 do
      run_after("DROP TABLE IF EXISTS gold; " .. made, PARTITION,
        { params = { day = "2026-11-20" } })
      assert.same({ { day = "2026-11-19", n = 1, x = 1 }, { day = "2026-11-20", n = 7 } },
        all "SELECT * FROM gold ORDER BY day")
    end
  end)

  it("refuses rows that are of another partition", function()
    local ok, err = pcall(run, [[ into = "gold", query = "SELECT 7 AS n, '2026-01-01' AS day",
      partition = { column = "day", value = "2026-11-20" } ]])
    assert.is_false(ok)
    assert.equal("1 rows of the query are not in the partition day = 2026-11-20", err.message)
    assert.equal(0, sql.value "SELECT count(*) FROM sqlite_master")
  end)
end)
