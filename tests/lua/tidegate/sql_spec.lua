-- SPDX-License-Identifier: Apache-2.0
local json = require "tidegate.json"
local sql = require "tidegate.sql"

describe("tidegate.sql", function()
  local folder

  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(sql.open { path = folder .. "/warehouse.db" })
  end)

  after_each(function()
    assert(sql.open { path = ":memory:" })
    os.execute("rm -r '" .. folder .. "'")
  end)

  local function write(name, text)
    local path = folder .. "/" .. name
    local file = assert(io.open(path, "wb"))
    file:write(text)
    file:close()
    return path
  end

  it("changes and reads rows", function()
    local result = assert(sql.exec("CREATE TABLE t(a, b); INSERT INTO t VALUES (1, 'x'), (2, NULL)"))
    assert.equal(2, result.changes)
    local rows, columns = sql.query("SELECT b, a FROM t ORDER BY a")
    assert.same({ { a = 1, b = "x" }, { a = 2 } }, rows)
    assert.same({ "b", "a" }, columns)
  end)

  it("keeps the types of values", function()
    local row = assert(sql.one("SELECT :i AS i, :r AS r, :s AS s, :t AS t, :n AS n", {
      i = math.maxinteger, r = 1.0, s = "a\0b", t = true, n = sql.null,
    }))
    assert.same({ i = math.maxinteger, r = 1.0, s = "a\0b", t = 1 }, row)
    assert.equal("integer", math.type(row.i))
    assert.equal("float", math.type(row.r))
    assert.equal(sql.null, json.null)
  end)

  it("gives one row, or one value", function()
    assert.same({ a = 1 }, sql.one("SELECT 1 AS a UNION SELECT 2"))
    assert.is_nil(sql.one("SELECT 1 WHERE 0"))
    assert.equal(3, sql.value("SELECT ? + ?", { 1, 2 }))
    assert.is_nil(sql.value("SELECT NULL"))
  end)

  it("tells columns of the same name apart", function()
    assert.same({ a = 1, ["a:1"] = 2 }, sql.one("SELECT 1 AS a, 2 AS a"))
  end)

  it("returns what the database refuses", function()
    local rows, err = sql.query("SELECT\n  nope")
    assert.is_nil(rows)
    assert.equal("sql", err.code)
    assert.equal("permanent", err.class)
    assert.equal("no such column: nope (line 2, column 3)", err.message)
    local _, denied = sql.exec("BEGIN")
    assert.equal("denied", denied.code)
    local _, missing = sql.exec("SELECT :x", { y = 1 })
    assert.equal("no value for the parameter :x", missing.message)
    local _, unknown = sql.connection("lake").exec("SELECT 1")
    assert.equal("the connection 'lake' is not configured", unknown.message)
  end)

  it("raises a programmer's mistake", function()
    assert.error_matches(function() sql.query("SELECT ?", { print }) end, "parameter 1 is a function")
    assert.error_matches(function() sql.query("SELECT ?", { 1, nil, 3 }) end,
      "parameter 2 is missing; use sql.null")
    assert.error_matches(function() sql.query("SELECT ?", { 1, a = 2 }) end, "not both")
    assert.error_matches(function() sql.query("SELECT 1", "x") end, "a string, not a table")
    assert.error_matches(function() sql.exec("SELECT 1\0") end, "zero byte")
    assert.error_matches(function() sql.load("t", { { a = {} } }) end, "row 1, column 'a' is a table")
    assert.error_matches(function() sql.load("t", { { 1 } }) end, "need options.columns")
    assert.error_matches(function() sql.load("t", { { a = 1 } }, { replce = true }) end,
      'no option \'replce\'; did you mean "replace"')
    assert.error_matches(function() sql.load_csv("t", "x", { header = "yes" }) end,
      "'header' is a string")
  end)

  it("raises at the line of the caller", function()
    local mistakes = {
      function() sql.exec(nil) end, function() sql.exec("SELECT ?", { print }) end,
      function() sql.load("t", { 1 }) end, function() sql.load("t", { { a = 1 } }, { b = 1 }) end,
      function() sql.load("t", { { a = print } }) end, function() sql.transaction() end,
    }
    for _, mistake in ipairs(mistakes) do
      local _, err = pcall(mistake)
      assert.matches("sql_spec.lua:%d+: ", err)
    end
  end)

  describe("transaction", function()
    before_each(function() assert(sql.exec("CREATE TABLE t(a)")) end)

    local function count() return sql.value("SELECT count(*) FROM t") end

    it("commits and gives what the function returned", function()
      local a, b, c = sql.transaction(function(connection)
        connection.exec("INSERT INTO t VALUES (1)")
        return "x", nil, 3
      end)
      assert.same({ "x", nil, 3 }, { a, b, c })
      assert.equal(1, count())
    end)

    it("rolls back and raises what was raised", function()
      local raised = { "a table" }
      local ok, err = pcall(sql.transaction, function()
        sql.exec("INSERT INTO t VALUES (1)")
        error(raised)
      end)
      assert.is_false(ok)
      assert.equal(raised, err)
      assert.equal(0, count())
    end)

    it("rolls back and returns the error that was returned", function()
      local result, err = sql.transaction(function()
        sql.exec("INSERT INTO t VALUES (1)")
        return sql.exec("INSERT INTO absent VALUES (1)")
      end)
      assert.is_nil(result)
      assert.equal("no such table: absent", err.message)
      assert.equal(0, count())
    end)

    it("does not nest", function()
      local result, err = sql.transaction(function()
        sql.exec("INSERT INTO t VALUES (1)")
        return sql.transaction(function() end)
      end)
      assert.is_nil(result)
      assert.matches("do not nest", err.message)
      assert.equal(0, count())
    end)

    it("tells a commit that is refused", function()
      assert(sql.exec("CREATE TABLE p(id PRIMARY KEY);"
        .. "CREATE TABLE c(id REFERENCES p DEFERRABLE INITIALLY DEFERRED)"))
      local result, err = sql.transaction(function() return sql.exec("INSERT INTO c VALUES (1)") end)
      assert.is_nil(result)
      assert.matches("FOREIGN KEY", err.message)
      assert.equal(0, sql.value("SELECT count(*) FROM c"))
    end)
  end)

  describe("load", function()
    it("makes the table of the union of the keys", function()
      assert.same({ rows = 2 }, sql.load("t", { { a = 1 }, { b = "x" } }))
      assert.same({ { a = 1 }, { b = "x" } }, (sql.query("SELECT * FROM t")))
    end)

    it("takes lists, types and replaces", function()
      local options = { columns = { "id", "n" }, types = { id = "TEXT" }, replace = true }
      for _ = 1, 2 do assert(sql.load("t", { { 1, 2 }, { 3, sql.null } }, options)) end
      assert.same({ { id = "1", n = 2 }, { id = "3" } }, (sql.query("SELECT * FROM t")))
    end)

    it("names the columns that the table lacks", function()
      assert(sql.exec("CREATE TABLE t(a)"))
      local _, err = sql.load("t", { { a = 1, b = 2, c = 3 } })
      assert.equal("the table 't' has no column b, c", err.message)
    end)

    it("takes no rows for a table that is there", function()
      local _, err = sql.load("t", {})
      assert.equal("invalid", err.code)
      assert(sql.load("t", { { a = 1 } }))
      assert.same({ rows = 0 }, sql.load("t", {}, { replace = true }))
      assert.equal(0, sql.value("SELECT count(*) FROM t"))
    end)
  end)

  describe("load_csv", function()
    it("loads rows and quarantines bad ones", function()
      local path = write("in.csv", "id;name\n1;'Ada'\n2\n3;NULL\n")
      local result = assert(sql.load_csv("t", path, {
        delimiter = ";", quote = "'", null = "NULL", types = { id = "INTEGER" }, quarantine = "bad",
      }))
      assert.same({ rows = 2, rejected = 1 }, result)
      assert.same({ { id = 1, name = "Ada" }, { id = 3 } }, (sql.query("SELECT * FROM t")))
      assert.same({ line = 3, raw = "2", reason = "the number of fields is 1, not 2" },
        sql.one("SELECT * FROM bad"))
    end)

    it("takes a file without a header", function()
      local path = write("in.csv", "1,2\n")
      assert(sql.load_csv("t", path, { header = false, columns = { "a", "b" } }))
      assert.same({ a = "1", b = "2" }, sql.one("SELECT * FROM t"))
    end)

    it("names the line of the first bad row", function()
      local _, err = sql.load_csv("t", write("in.csv", "a\n1\n2,3\n"))
      assert.matches("in.csv, line 3: the number of fields is 2, not 1", err.message)
      local _, absent = sql.load_csv("t", folder .. "/absent.csv")
      assert.equal("not_found", absent.code)
    end)
  end)
end)
