-- SPDX-License-Identifier: Apache-2.0
local contract = require "tidegate.contract"
local quality = require "tidegate.quality"
local sql = require "tidegate.sql"

local HEAD = "version: 1.0.0\napiVersion: v3.1.0\nkind: DataContract\nid: x\nstatus: active\n"
local DROP = "customProperties: [{property: tidegate.action, value: drop}]"

describe("quality.check", function()
  before_each(function() assert(sql.open { path = ":memory:" }) end)

  ---Makes a contract of one object "t" with these properties and rules.
  local function contract_of(properties, rules)
    local made, faults = contract.parse(("%sschema: [{name: t, properties: [%s], quality: [%s]}]")
      :format(HEAD, properties or "", rules or ""), "contracts/t.yaml")
    assert.is_truthy(made, faults and faults[1].message)
    return made
  end

  local function check(properties, rules, options)
    return quality.check(sql, contract_of(properties, rules), "t", options)
  end

  ---Gives the check of the last rule.
  local function last(properties, rules, options)
    local result = check(properties, rules, options)
    return result.checks[#result.checks], result
  end

  ---Gives the check of one rule on the column a.
  local function on_column(rule)
    return last(("{name: a, quality: [%s]}"):format(rule))
  end

  local function fill(values)
    assert(sql.exec(("CREATE TABLE t (a); INSERT INTO t VALUES %s"):format(values)))
  end

  it("measures every metric in rows and percent", function()
    fill("('x'), ('x'), ('x'), (NULL), (''), ('n/a'), ('y'), ('y'), ('7'), (NULL)")
    local cases = {
      { "metric: nullValues", 2, 20.0 },
      { "metric: missingValues", 3, 30.0 },
      { "metric: missingValues, arguments: {missingValues: ['n/a', '']}", 2, 20.0 },
      { "metric: missingValues, arguments: {missingValues: [null, 'n/a']}", 3, 30.0 },
      { "metric: invalidValues, arguments: {validValues: [x, y, null]}", 3, 30.0 },
      { "metric: invalidValues, arguments: {pattern: '^[a-z]$'}", 3, 30.0 },
      { "metric: invalidValues, arguments: {validValues: [x, '7'], pattern: '^[a-z]$'}", 5, 50.0 },
      { "metric: duplicateValues", 3, 30.0 },
    }
    for _, case in ipairs(cases) do
      local rows = on_column(("{%s, mustBe: %d}"):format(case[1], case[2]))
      assert.equal("passed", rows.outcome, case[1] .. " " .. tostring(rows.message))
      assert.equal(case[2], rows.failed_rows)
      assert.equal(10, rows.total_rows)
      local percent = on_column(("{%s, mustBe: %d, unit: percent}"):format(case[1], case[3]))
      assert.equal("passed", percent.outcome, case[1])
      assert.equal(case[3], percent.measured)
    end
  end)

  it("applies every operator to every metric", function()
    fill("('x'), ('x'), (NULL), ('y')")
    local metrics = {
      ["metric: nullValues"] = 1,
      ["metric: missingValues"] = 1,
      ["metric: invalidValues, arguments: {validValues: [x]}"] = 1,
      ["metric: duplicateValues"] = 1,
      ["type: sql, query: 'SELECT count(*) FROM {object} WHERE {property} IS NULL'"] = 1,
    }
    local operators = {
      { "mustBe: %d", 0, "passed" }, { "mustBe: %d", 1, "failed" },
      { "mustNotBe: %d", 0, "failed" }, { "mustNotBe: %d", 1, "passed" },
      { "mustBeGreaterThan: %d", 0, "failed" }, { "mustBeGreaterThan: %d", -1, "passed" },
      { "mustBeGreaterOrEqualTo: %d", 0, "passed" }, { "mustBeGreaterOrEqualTo: %d", 1, "failed" },
      { "mustBeLessThan: %d", 0, "failed" }, { "mustBeLessThan: %d", 1, "passed" },
      { "mustBeLessOrEqualTo: %d", 0, "passed" }, { "mustBeLessOrEqualTo: %d", -1, "failed" },
      { "mustBeBetween: [0, %d]", 0, "passed" }, { "mustBeBetween: [%d, 9]", 1, "failed" },
      { "mustNotBeBetween: [0, %d]", 0, "failed" }, { "mustNotBeBetween: [%d, 9]", 1, "passed" },
    }
    local rules, expected = {}, {}
    for metric, measured in pairs(metrics) do
      for _, operator in ipairs(operators) do
        rules[#rules + 1] = ("{%s, %s}"):format(metric, operator[1]:format(measured + operator[2]))
        expected[#expected + 1] = operator[3]
      end
    end
    local result = check(("{name: a, quality: [%s]}"):format(table.concat(rules, ", ")))
    for i, rule in ipairs(rules) do
      assert.equal(expected[i], result.checks[i + 1].outcome, rule)
    end
  end)

  it("counts rows", function()
    fill("(1), (2), (3)")
    local rule = last(nil, "{metric: rowCount, mustBeBetween: [3, 4]}")
    assert.same({ "passed", 3, 3 }, { rule.outcome, rule.measured, rule.total_rows })
    rule = last(nil, "{metric: rowCount, mustBeGreaterThan: 3}")
    assert.same({ "failed", "the number of rows is 3" }, { rule.outcome, rule.message })
  end)

  it("counts duplicates of several columns, for which nulls are equal to nothing", function()
    sql.exec("CREATE TABLE t (a, b);"
      .. " INSERT INTO t VALUES (1, 1), (1, 2), (1, 1), (1, 1), (NULL, 1), (NULL, 1)")
    local rule = last("{name: a}, {name: b}",
      "{metric: duplicateValues, arguments: {properties: [a, b]}, mustBe: 0}")
    assert.equal("failed", rule.outcome)
    assert.equal(2, rule.failed_rows)
    assert.equal("a, b occurs more than once in 2 of 6 rows", rule.message)
  end)

  it("is exact at the bound of a percentage", function()
    sql.exec("CREATE TABLE t (a); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
      .. " WHERE i < 10000) INSERT INTO t SELECT CASE WHEN i <= 7 THEN NULL ELSE i END FROM n")
    assert.equal("passed",
      on_column("{metric: nullValues, mustBeLessOrEqualTo: 0.07, unit: percent}").outcome)
    assert.equal("passed", on_column("{metric: nullValues, mustBe: 0.07, unit: percent}").outcome)
    assert.equal("failed",
      on_column("{metric: nullValues, mustBeLessThan: 0.07, unit: percent}").outcome)
    assert.equal("failed",
      on_column("{metric: nullValues, mustBeLessThan: 0.069999, unit: percent}").outcome)
  end)

  it("takes 0 percent of an empty table", function()
    sql.exec("CREATE TABLE t (a)")
    local rule = on_column("{metric: nullValues, mustBeLessThan: 5, unit: percent}")
    assert.same({ "passed", 0.0, 0 }, { rule.outcome, rule.measured, rule.total_rows })
    assert.equal("failed",
      on_column("{metric: nullValues, mustBeGreaterThan: 0, unit: percent}").outcome)
  end)

  it("compares what a query gives: numbers, booleans and texts", function()
    fill("(1), (2)")
    local cases = {
      { "SELECT sum(a) FROM {object}", "mustBe: 3", "passed" },
      { "SELECT sum(${column}) FROM ${table};", "mustBe: 3", "passed" },
      { "SELECT avg(a) FROM t -- the mean", "mustBeBetween: [1.4, 1.6]", "passed" },
      { "WITH x AS (SELECT 1 AS y) SELECT y = 1 FROM x", "mustBe: true", "passed" },
      { "SELECT 'new'", "mustBe: new", "passed" },
      { "SELECT 'new'", "mustNotBe: new", "failed" },
      { "SELECT 'new'", "mustBeLessThan: 5", "error" },
      { "SELECT NULL", "mustBe: 0", "error" },
      { "SELECT a FROM t", "mustBe: 1", "error" },
      { "SELECT a FROM t WHERE a > 9", "mustBe: 1", "error" },
      { "SELECT 1, 2", "mustBe: 1", "error" },
      { "DELETE FROM t", "mustBe: 1", "error" },
      { "SELECT nonsense(", "mustBe: 1", "error" },
    }
    for _, case in ipairs(cases) do
      local rule, result = on_column(("{type: sql, query: \"%s\", %s}"):format(case[1], case[2]))
      assert.equal(case[3], rule.outcome, case[1] .. ": " .. tostring(rule.message))
      assert.equal(case[3] == "passed", result.passed)
    end
    assert.equal(2, sql.query("SELECT count(*) AS n FROM t")[1].n)
  end)

  it("checks what the properties declare", function()
    local cases = {
      { "logicalType: string", { "'x'", "''" }, { "1", "2.5", "x'00'" } },
      { "logicalType: integer", { "0", "-5" }, { "'1'", "2.5" } },
      { "logicalType: number", { "1", "2.5" }, { "'1'" } },
      { "logicalType: boolean", { "0", "1" }, { "2", "'true'", "1.0" } },
      { "logicalType: date", { "'2024-02-29'" },
        { "'2023-02-29'", "'2024-2-9'", "'now'", "20240229", "'12:00'" } },
      { "logicalType: date, logicalTypeOptions: {format: dd.MM.yyyy}", { "'29.02.2024'" },
        { "'2024-02-29'", "'29.02.24'" } },
      { "logicalType: timestamp", { "'2024-02-29T10:00:00Z'", "'2024-02-29 10:00:00.5+02:00'" },
        { "'2024-02-29'", "'2023-02-29T10:00:00Z'", "'now'", "5" } },
      { "logicalType: time", { "'10:00'", "'23:59:59.5'" }, { "'25:00'", "'10'", "'now'" } },
      { "logicalType: object", { "'{}'" }, { "'[]'", "'x'", "5" } },
      { "logicalType: array", { "'[]'" }, { "'{}'", "'['" } },
      { "logicalType: integer, logicalTypeOptions: {minimum: 1, maximum: 3}", { "1", "3" },
        { "0", "4" } },
      { "logicalType: number, logicalTypeOptions: {exclusiveMinimum: 1, exclusiveMaximum: 3}",
        { "1.1", "2.9" }, { "1", "3" } },
      { "logicalType: integer, logicalTypeOptions: {multipleOf: 5}", { "0", "-10" }, { "3" } },
      { "logicalType: number, logicalTypeOptions: {multipleOf: 0.1}", { "0.3", "7" }, { "0.35" } },
      { "logicalType: integer, logicalTypeOptions: {format: u8}", { "0", "255" }, { "-1", "256" } },
      { "logicalType: integer, logicalTypeOptions: {format: i16}", { "-32768", "32767" },
        { "-32769", "32768" } },
      { "logicalType: integer, logicalTypeOptions: {format: u64}", { "0" }, { "-1" } },
      { "logicalType: date, logicalTypeOptions: {minimum: '2024-01-01'}", { "'2024-01-01'" },
        { "'2023-12-31'" } },
      { "logicalType: string, logicalTypeOptions: {minLength: 2, maxLength: 3}",
        { "'ab'", "'äöü'" }, { "'a'", "'abcd'" } },
      { "logicalType: string, logicalTypeOptions: {pattern: '^\\d+-[\\w.]+$'}", { "'12-a.b'" },
        { "'x-a'", "'12-'" } },
      { "logicalType: string, logicalTypeOptions: {format: email}", { "'a@b.org'" },
        { "'a@b'", "'a b@c.d'", "''" } },
      { "logicalType: string, logicalTypeOptions: {format: ipv4}", { "'10.0.255.1'" },
        { "'10.0.256.1'", "'1.2.3'" } },
      { "logicalType: string, logicalTypeOptions: {format: uri}", { "'https://x'" }, { "'x'" } },
      { "logicalType: string, logicalTypeOptions: {format: uuid}",
        { "'0188c0f2-7b3f-7000-8000-0123456789ab'" }, { "'0188c0f2'", "''" } },
      { "logicalType: array, logicalTypeOptions: {minItems: 1, maxItems: 2}", { "'[1]'" },
        { "'[]'", "'[1,2,3]'" } },
      { "logicalType: string, enum: [{value: a}, {value: it's}]", { "'a'", "'it''s'" },
        { "'b'", "''" } },
      { "required: true", { "1", "''" }, { "NULL" } },
      { "unique: true", { "1", "2", "NULL), (NULL" }, { "1), (1" } },
    }
    sql.exec("CREATE TABLE t (a)")
    for _, case in ipairs(cases) do
      local made = contract_of(("{name: a, %s}"):format(case[1]))
      assert(sql.exec(("INSERT INTO t VALUES (%s)"):format(table.concat(case[2], "), ("))))
      for _, rule in ipairs(quality.check(sql, made, "t").checks) do
        assert.equal("passed", rule.outcome, case[1] .. ": " .. tostring(rule.message))
      end
      for _, bad in ipairs(case[3]) do
        assert(sql.exec("DELETE FROM t; INSERT INTO t VALUES (" .. bad .. ")"))
        assert.is_false(quality.check(sql, made, "t").passed, case[1] .. ": " .. bad)
      end
      assert(sql.exec("DELETE FROM t"))
    end
  end)

  it("lets nulls pass where null is not what the rule is about", function()
    fill("(NULL)")
    local _, result = last("{name: a, logicalType: integer, enum: [{value: 1}],"
      .. " logicalTypeOptions: {minimum: 1, multipleOf: 2, format: u8}}")
    assert.is_true(result.passed)
  end)

  it("wants a primary key to be unique and not null", function()
    sql.exec("CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 1), (1, 2), (2, NULL)")
    local result = check("{name: a, primaryKey: true}, {name: b, primaryKey: true}")
    local outcomes = {}
    for _, rule in ipairs(result.checks) do outcomes[rule.rule] = rule.outcome end
    assert.same({ schema = "passed", primaryKey = "passed", ["a.primaryKey"] = "passed",
      ["b.primaryKey"] = "failed" }, outcomes)
    sql.exec("INSERT INTO t VALUES (1, 2)")
    assert.equal("failed", last("{name: a, primaryKey: true}, {name: b, primaryKey: true}").outcome)
  end)

  it("stops the gate for fail, not for warn", function()
    fill("(NULL)")
    local rule, result = on_column("{metric: nullValues, mustBe: 0, severity: warning}")
    assert.same({ "failed", "warn", true }, { rule.outcome, rule.action, result.passed })
    rule, result = on_column("{metric: nullValues, mustBe: 0, description: all are known}")
    assert.same({ "failed", "fail", false }, { rule.outcome, rule.action, result.passed })
    assert.equal("a is null in 1 of 1 rows", rule.message)
    assert.equal("mustBe 0", rule.expected)
    assert.equal("all are known", rule.description)
  end)

  it("fails closed when a check cannot be made, whatever its action is", function()
    fill("(1)")
    local rule, result = on_column(
      "{type: sql, query: 'SELECT x FROM nowhere', mustBe: 0, severity: info}")
    assert.same({ "error", "warn", false }, { rule.outcome, rule.action, result.passed })
    assert.matches("no such table", rule.message)
  end)

  it("fails a missing table, a missing column and a table not in the contract", function()
    local rule, result = on_column("{metric: nullValues, mustBe: 0}")
    assert.same({ "failed", "there is no table t", false },
      { rule.outcome, rule.message, result.passed })
    sql.exec("CREATE TABLE t (b)")
    result = check("{name: a, quality: [{metric: nullValues, mustBe: 0}]}")
    assert.equal("t has no column a", result.checks[1].message)
    assert.equal("error", result.checks[2].outcome)
    assert.is_false(result.passed)
    local two = contract.parse(HEAD .. "schema: [{name: a}, {name: b}]", "contracts/t.yaml")
    result = quality.check(sql, two, "t")
    assert.is_false(result.passed)
    assert.equal("contracts/t.yaml has no object for the table t", result.checks[1].message)
    assert.equal("a", quality.check(sql, two, "t", { object = "a" }).object)
  end)

  it("finds no way out of a quoted name or value", function()
    sql.exec([[CREATE TABLE t ("a""b'c%1"); INSERT INTO t VALUES ('it''s; DROP TABLE t')]])
    local result = check([[{name: "a\"b'c%1", logicalType: string, quality: [{metric: invalidValues,
      arguments: {validValues: ["it's; DROP TABLE t"]}, mustBe: 0}]}]])
    assert.is_true(result.passed)
  end)

  describe("with the action drop", function()
    local function quarantined()
      return sql.query("SELECT rule, reason, run_id, row FROM quarantine_t ORDER BY row")
    end

    local function left()
      local values = {}
      for i, row in ipairs(sql.query("SELECT a FROM t ORDER BY rowid")) do values[i] = row.a end
      return values
    end

    local EVEN = "{name: a, logicalType: integer,"
      .. " logicalTypeOptions: {minimum: 0, multipleOf: 2}, " .. DROP .. "}"

    it("moves each bad row once, with all its reasons", function()
      fill("(2), (-3), ('x'), (4)")
      local rule, result = last(EVEN, nil, { run_id = "r1" })
      assert.is_true(result.passed)
      assert.equal(2, result.dropped)
      assert.equal("drop", rule.action)
      assert.same({ 2, 4 }, left())
      local rows = quarantined()
      assert.same({
        rule = "a.logicalType", reason = "a is no integer", run_id = "r1", row = '{"a":"x"}',
      }, rows[1])
      assert.same({
        rule = "a.minimum; a.multipleOf", reason = "a is below 0; a is no multiple of 2",
        run_id = "r1", row = '{"a":-3}',
      }, rows[2])
    end)

    it("leaves the rows of a rule that holds", function()
      fill("(1), (NULL)")
      local property = "{name: a, quality: [{metric: nullValues, mustBeLessOrEqualTo: %d,"
        .. " unit: percent, " .. DROP .. "}]}"
      local rule, result = last(property:format(50))
      assert.same({ "passed", 0, 1 }, { rule.outcome, result.dropped, rule.failed_rows })
      rule, result = last(property:format(49))
      assert.same({ "failed", 1, true }, { rule.outcome, result.dropped, result.passed })
      assert.same({ 1 }, left())
    end)

    it("drops the later of duplicates, and none for a row that went for another reason", function()
      sql.exec("CREATE TABLE t (a, b); INSERT INTO t VALUES (1, NULL), (1, 1), (1, 2), (2, 1)")
      local _, result = last(("{name: a, unique: true, %s}, {name: b, required: true, %s}")
        :format(DROP, DROP))
      assert.equal(2, result.dropped)
      assert.same({ 1, 2 }, left())
      assert.same({ 1 }, { sql.query("SELECT b FROM t WHERE a = 1")[1].b })
    end)

    it("checks the other rules on what is left", function()
      fill("(2), ('x')")
      local rule = last(EVEN, "{metric: rowCount, mustBe: 1}")
      assert.equal("passed", rule.outcome)
    end)

    it("keeps what a crashed attempt has moved, and moves nothing twice", function()
      fill("(2), (-3), (-3)")
      assert.equal(2, select(2, last(EVEN, nil, { run_id = "r1" })).dropped)
      assert.equal(2, select(2, last(EVEN, nil, { run_id = "r1" })).dropped) -- after a crash
      assert.equal(2, #quarantined())
      sql.exec("INSERT INTO t VALUES (-3), (-3), (-5)") -- the table was built anew
      assert.equal(3, select(2, last(EVEN, nil, { run_id = "r1" })).dropped)
      assert.equal(3, #quarantined())
      sql.exec("INSERT INTO t VALUES (-3)")
      assert.equal(1, select(2, last(EVEN, nil, { run_id = "r2" })).dropped)
      assert.equal(4, #quarantined())
    end)

    it("moves all or nothing, and fails closed when it cannot move", function()
      fill("(2), (-3)")
      sql.exec("CREATE TABLE quarantine_t (something_else)")
      local rule, result = last(EVEN)
      assert.is_false(result.passed)
      assert.equal("error", rule.outcome)
      assert.matches("could not be moved", rule.message)
      assert.same({ 2, -3 }, left())
    end)

    it("does not touch a table of the wrong shape", function()
      fill("(-3)")
      local _, result = last(EVEN .. ", {name: b}")
      assert.is_false(result.passed)
      assert.same({ -3 }, left())
    end)

    it("keeps every value of a wide row, BLOBs too", function()
      local names, values = {}, {}
      for i = 1, 100 do names[i], values[i] = "c" .. i, tostring(i) end
      sql.exec(("CREATE TABLE t (a, z, %s); INSERT INTO t VALUES (-2, x'00ff', %s)")
        :format(table.concat(names, ", "), table.concat(values, ", ")))
      assert.equal(1, select(2, last(EVEN)).dropped)
      local row = sql.query("SELECT json_extract(row, '$.z') AS z, json_extract(row, '$.c100') AS c"
        .. " FROM quarantine_t")[1]
      assert.same({ z = "00FF", c = 100 }, row)
    end)
  end)
end)
