-- SPDX-License-Identifier: Apache-2.0
local contract = require "tidegate.contract"
local pattern = require "tidegate.contract.pattern"
local threshold = require "tidegate.contract.threshold"
local yaml = require "tidegate._yaml"

local HEAD = "version: 1.0.0\napiVersion: v3.1.0\nkind: DataContract\nid: x\nstatus: active\n"

---Parses a contract of one object with the given properties and rules, from line 6 on.
local function parse(body)
  return contract.parse(HEAD .. body, "contracts/x.yaml")
end

---Gives the one fault of a text as "line:column: message (hint)".
local function fault_of(body)
  local made, faults = parse(body)
  assert.is_nil(made)
  assert.equal(1, #faults, faults[2] and faults[2].message)
  local fault = faults[1]
  assert.equal("contracts/x.yaml", fault.file)
  return ("%d:%d: %s%s"):format(fault.line, fault.column, fault.message,
    fault.hint and " (" .. fault.hint .. ")" or "")
end

local function rule_fault(rule)
  return fault_of([[
schema:
  - name: t
    properties:
      - name: a
        quality:
          - ]] .. rule .. "\n")
end

local function object_fault(rule)
  return fault_of([[
schema:
  - name: t
    properties: [{name: a}]
    quality:
      - ]] .. rule .. "\n")
end

local function rules_of(property)
  local made, faults = parse("schema:\n  - name: t\n    properties:\n      - " .. property .. "\n")
  assert.is_truthy(made, faults and faults[1].message)
  local by_id = {}
  for _, rule in ipairs(made.objects[1].rules) do by_id[rule.id] = rule end
  return by_id, made
end

describe("tidegate._yaml", function()
  it("gives values with their places", function()
    local value, place = yaml.parse("a: [1, null]\nb: {c: x}\n", "n")
    assert.same({ a = { 1, yaml.null }, b = { c = "x" } }, value)
    assert.equal("mapping", place.kind)
    assert.equal("sequence", place.children.a.kind)
    assert.same({ line = 1, column = 8, kind = "scalar" }, place.children.a.children[2])
    assert.same({ line = 2, column = 5, kind = "scalar" }, place.children.b.children.c)
  end)

  it("keeps integers of 64 bits", function()
    assert.equal(9223372036854775807, (yaml.parse("9223372036854775807", "n")))
  end)

  it("gives nil and an error for a bad text", function()
    local value, err = yaml.parse("a: &x [*x]", "n")
    assert.is_nil(value)
    assert.equal("invalid", err.code)
    assert.equal("n:1:8: the alias '*x' is inside the value it names", tostring(err))
  end)

  it("raises for a wrong argument", function()
    assert.has_error(function() yaml.parse({}, "n") end)
  end)
end)

describe("contract.parse", function()
  it("reads the examples of the standard", function()
    local folder = "../shared/specs/odcs/examples/"
    local expected = {
      ["azure-server"] = 0, ["column-accuracy"] = 1, ["column-completeness"] = 1,
      ["column-validity"] = 1, ["database-table-sla"] = 0, ["full-example"] = 2,
      ["postgresql-adventureworks-contract"] = 68,
    }
    for name, objects in pairs(expected) do
      local file = io.open(folder .. name .. ".odcs.yaml", "rb")
      assert.is_truthy(file, folder .. name .. ".odcs.yaml, which the test reads, is missing")
      local made, faults = contract.parse(file:read("a"), name)
      file:close()
      assert.is_truthy(made, faults and faults[1].message)
      assert.equal(objects, #made.objects)
    end
  end)

  it("tells that rules of another engine are not supported", function()
    local file = io.open("../shared/specs/odcs/examples/column-custom.odcs.yaml", "rb")
    assert.is_truthy(file, "../shared/specs/odcs, which the test reads, is missing")
    local made, faults = contract.parse(file:read("a"), "custom")
    file:close()
    assert.is_nil(made)
    assert.same({ 22, 34 }, { faults[1].line, faults[2].line })
    assert.matches("type custom %(engine soda%) is not supported", faults[1].message)
  end)

  it("says where YAML is malformed", function()
    local made, faults = contract.parse("a: 1\na: 2\n", "contracts/x.yaml")
    assert.is_nil(made)
    assert.same({ { file = "contracts/x.yaml", line = 2, column = 1,
      message = "the key 'a' occurs twice" } }, faults)
  end)

  it("refuses YAML bombs", function()
    local laughs = { "a0: &a0 lol" }
    for i = 1, 9 do
      laughs[#laughs + 1] = ("a%d: &a%d [%s]"):format(i, i, ("*a%d,"):format(i - 1):rep(10))
    end
    local bombs = {
      [table.concat(laughs, "\n")] = "aliases stand for more than 1000 values",
      [("["):rep(1 << 20)] = "nested deeper than 32 levels",
      ["a: &x [*x]"] = "inside the value it names",
      [("#"):rep(2 << 20)] = "more than 1048576 bytes",
    }
    for text, message in pairs(bombs) do
      local made, faults = contract.parse(text, "n")
      assert.is_nil(made)
      assert.matches(message, faults[1].message, 1, true)
    end
  end)

  it("refuses what is no mapping", function()
    for _, text in ipairs { "", "[]", "x", "# nothing" } do
      local made, faults = contract.parse(text, "n")
      assert.is_nil(made)
      assert.equal("a contract must be a mapping", faults[1].message)
    end
  end)

  it("lists all faults in the order of the file", function()
    local made, faults = contract.parse(
      "kind: Contract\nverison: 1\napiVersion: v2.2.0\nid: x\n", "n")
    assert.is_nil(made)
    local texts = {}
    for i, fault in ipairs(faults) do
      texts[i] = ("%d:%d: %s (%s)"):format(fault.line, fault.column, fault.message, fault.hint)
    end
    assert.same({
      "1:1: the contract has no 'version' (nil)",
      "1:1: the contract has no 'status' (nil)",
      "1:1: unknown kind 'Contract' (one of: DataContract)",
      "2:1: unknown field 'verison' in a contract (did you mean \"version\"?)",
      "3:1: the version 'v2.2.0' of the standard is not supported (v3.1.0, or another v3)",
    }, texts)
  end)

  it("stops collecting faults of a file that is something else", function()
    local lines = {}
    for i = 1, 5000 do lines[i] = "field" .. i .. ": 1" end
    local _, faults = contract.parse(table.concat(lines, "\n"), "n")
    assert.equal(50, #faults)
  end)

  it("checks the kinds of fields", function()
    assert.equal("6:1: 'name' must be a text (put it in quotes)", fault_of("name: 1.0\n"))
    assert.equal("6:1: 'schema' must be a sequence", fault_of("schema: {}\n"))
    assert.equal("6:43: 'required' must be true or false",
      fault_of("schema: [{name: t, properties: [{name: a, required: yes}]}]\n"))
    assert.equal("7:5: an object of the schema needs a name", fault_of("schema:\n  - tags: []\n"))
    assert.equal("8:5: a second object has the name 't'",
      fault_of("schema:\n  - {name: t}\n  - {name: t}\n"))
  end)

  it("names unknown operators, metrics and fields with the nearest word", function()
    assert.equal("11:34: unknown field 'mustBeLesThan' in a quality rule"
      .. " (did you mean \"mustBeLessThan\"?)",
      rule_fault("{metric: nullValues, mustBeLesThan: 5}"))
    assert.equal("11:14: unknown metric 'nulValues' (did you mean \"nullValues\"?)",
      rule_fault("{metric: nulValues, mustBe: 0}"))
    assert.matches("^11:14: unknown type 'sequel'",
      rule_fault("{type: sequel, query: x, mustBe: 0}"))
  end)

  it("refuses a rule that is no mapping, once", function()
    assert.equal("11:13: a quality rule must be a mapping", rule_fault("[{metric: nullValues}]"))
    assert.equal("11:13: a quality rule must be a mapping", rule_fault("nullValues"))
  end)

  it("wants one operator at least, with a bound that fits", function()
    assert.matches("^11:13: the rule has no operator %(one of: mustBe, ",
      rule_fault("{metric: nullValues}"))
    assert.matches("mustBe needs a number", rule_fault("{metric: nullValues, mustBe: many}"))
    assert.matches("'mustBeLessThan' must be a number",
      rule_fault("{metric: nullValues, mustBeLessThan: '5'}"))
    assert.matches("mustBeBetween needs two numbers, the smaller first",
      rule_fault("{metric: nullValues, mustBeBetween: [5, 1]}"))
    assert.matches("mustBeBetween needs two numbers",
      rule_fault("{metric: nullValues, mustBeBetween: [1]}"))
    assert.matches("a percentage must be from 0 to 100",
      rule_fault("{metric: nullValues, mustBeLessThan: 101, unit: percent}"))
    assert.matches("at most six decimals",
      rule_fault("{metric: nullValues, mustBeLessThan: 0.0000001, unit: percent}"))
    assert.matches("unknown unit 'procent' %(did you mean \"percent\"%?%)",
      rule_fault("{metric: nullValues, mustBe: 0, unit: procent}"))
  end)

  it("knows which metric belongs where and what it needs", function()
    assert.matches("rowCount is a metric of an object", rule_fault("{metric: rowCount, mustBe: 1}"))
    assert.matches("nullValues is a metric of a property",
      object_fault("{metric: nullValues, mustBe: 1}"))
    assert.matches("duplicateValues of an object needs arguments",
      object_fault("{metric: duplicateValues, mustBe: 0}"))
    assert.matches("invalidValues needs arguments",
      rule_fault("{metric: invalidValues, mustBe: 0}"))
    assert.matches("no property 'b' %(did you mean \"a\"%?%)",
      object_fault("{metric: duplicateValues, mustBe: 0, arguments: {properties: [b]}}"))
    assert.matches("unknown field 'validvalues' in arguments of invalidValues",
      rule_fault("{metric: invalidValues, mustBe: 0, arguments: {validvalues: [1], pattern: a}}"))
    assert.matches("'pattern' belongs under 'arguments'",
      rule_fault("{metric: invalidValues, mustBe: 0, arguments: null, pattern: x}"))
    assert.matches("rowCount is counted in rows",
      object_fault("{metric: rowCount, unit: percent, mustBe: 1}"))
    assert.matches("the pattern cannot be used: a lazy quantifier",
      rule_fault("{metric: invalidValues, mustBe: 0, arguments: {pattern: 'a+?'}}"))
  end)

  it("checks the queries of sql rules", function()
    assert.matches("needs a query", rule_fault("{type: sql, mustBe: 0}"))
    assert.matches("the query is empty", rule_fault("{type: sql, query: ' ', mustBe: 0}"))
    assert.matches("'query' is for rules of type sql",
      rule_fault("{type: library, metric: nullValues, query: x, mustBe: 0}"))
    assert.matches("placeholder {property} has no meaning",
      object_fault("{type: sql, query: 'select {property}', mustBe: 0}"))
    assert.matches("unknown placeholder '${objekt}' %(did you mean \"object\"%?%)",
      object_fault("{type: sql, query: 'select ${objekt}', mustBe: 0}"))
  end)

  it("takes the action from the custom property, then from the severity, else fail", function()
    local function action(more)
      local rules = rules_of("{name: a, quality: [{metric: nullValues, mustBe: 0" .. more .. "}]}")
      return rules["a.nullValues"].action
    end
    assert.equal("fail", action(""))
    assert.equal("fail", action(", severity: error"))
    assert.equal("warn", action(", severity: warning"))
    assert.equal("warn", action(", severity: info"))
    assert.equal("drop",
      action(", severity: info, customProperties: [{property: tidegate.action, value: drop}]"))
    assert.equal("fail", action(", customProperties: [{property: someoneElses, value: drop}]"))
    assert.matches("unknown value 'dorp' %(did you mean \"drop\"%?%)",
      rule_fault("{metric: nullValues, mustBe: 0,"
        .. " customProperties: [{property: tidegate.action, value: dorp}]}"))
    assert.matches("unknown custom property 'tidegate.acton'",
      rule_fault("{metric: nullValues, mustBe: 0,"
        .. " customProperties: [{property: tidegate.acton, value: drop}]}"))
  end)

  it("refuses to drop where there are no rows to drop, or dropping cannot help", function()
    local drop = "customProperties: [{property: tidegate.action, value: drop}]"
    assert.matches("rowCount is about the whole table",
      object_fault("{metric: rowCount, mustBe: 0, " .. drop .. "}"))
    assert.matches("sql is about the whole table",
      rule_fault("{type: sql, query: 'select 1', mustBe: 0, " .. drop .. "}"))
    assert.matches("could never make this rule hold",
      rule_fault("{metric: nullValues, mustBeGreaterThan: 5, " .. drop .. "}"))
  end)

  it("makes rules of what a property declares", function()
    local rules = rules_of("{name: a, physicalName: col_a, logicalType: integer, required: true,"
      .. " unique: true, logicalTypeOptions: {minimum: 0, maximum: 9, format: u8, multipleOf: 3},"
      .. " customProperties: [{property: tidegate.action, value: warn}]}")
    local checks = {}
    for id, rule in pairs(rules) do
      checks[id] = rule.check
      assert.equal("warn", rule.action)
    end
    assert.same({
      ["a.required"] = "nullValues", ["a.unique"] = "duplicateValues",
      ["a.logicalType"] = "logicalType",
      ["a.minimum"] = "minimum", ["a.maximum"] = "maximum", ["a.format"] = "format",
      ["a.multipleOf"] = "multipleOf",
    }, checks)
    assert.equal("col_a", rules["a.minimum"].column)
    assert.same({ "col_a" }, rules["a.unique"].columns)
  end)

  it("orders the columns of a primary key by their positions", function()
    local made = parse("schema: [{name: t, properties: ["
      .. "{name: a, primaryKey: true, primaryKeyPosition: 2},"
      .. " {name: b, primaryKey: true, primaryKeyPosition: 1}]}]")
    local last = made.objects[1].rules[#made.objects[1].rules]
    assert.equal("primaryKey", last.id)
    assert.same({ "b", "a" }, last.columns)
  end)

  it("gives each rule an id of its own", function()
    local _, made = rules_of("{name: a, quality: [{metric: nullValues, mustBe: 0},"
      .. " {metric: nullValues, mustBeLessThan: 5}, {id: mine, metric: nullValues, mustBe: 0}]}")
    local ids = {}
    for i, rule in ipairs(made.objects[1].rules) do ids[i] = rule.id end
    assert.same({ "a.nullValues", "a.nullValues_2", "mine" }, ids)
  end)

  it("notes what it does not check", function()
    local _, made = rules_of("{name: a, logicalType: array,"
      .. " logicalTypeOptions: {uniqueItems: true}, items: {logicalType: string, required: true},"
      .. " quality: [{type: text, description: x}]}")
    local notes = {}
    for i, note in ipairs(made.notes) do notes[i] = note.message end
    table.sort(notes)
    assert.same({
      "a rule of type text is for people; it is not checked",
      "the option 'uniqueItems' is not checked",
      "what is demanded inside an object or array is not checked",
    }, notes)
  end)

  it("accepts the names of rules before 3.1", function()
    local rules = rules_of("{name: a, quality: [{rule: duplicateCount, mustBe: 0},"
      .. " {rule: nullCheck, mustBe: 0}]}")
    assert.equal("duplicateValues", rules["a.duplicateValues"].check)
    assert.equal("nullValues", rules["a.nullValues"].check)
  end)

  it("checks options against their type", function()
    assert.matches("unknown field 'minLength' in the options of type integer", fault_of(
      "schema: [{name: t, properties: [{name: a, logicalType: integer,"
        .. " logicalTypeOptions: {minLength: 1}}]}]"))
    assert.matches("unknown format 'i7'", fault_of(
      "schema: [{name: t, properties: [{name: a, logicalType: integer,"
        .. " logicalTypeOptions: {format: i7}}]}]"))
    assert.matches("unknown logicalType 'int'", fault_of(
      "schema: [{name: t, properties: [{name: a, logicalType: int}]}]"))
    assert.matches("options need a logicalType", fault_of(
      "schema: [{name: t, properties: [{name: a, logicalTypeOptions: {minimum: 1}}]}]"))
  end)
end)

describe("contract.object", function()
  it("finds an object by its physical name, its name, or because it is the only one", function()
    local made = parse("schema: [{name: a, physicalName: tbl_a}, {name: b}]")
    assert.equal("a", contract.object(made, "tbl_a").name)
    assert.equal("b", contract.object(made, "b").name)
    assert.is_nil(contract.object(made, "c"))
    assert.equal("a", contract.object(parse("schema: [{name: a}]"), "whatever").name)
  end)
end)

describe("threshold", function()
  local function holds(operator, measured, ...)
    return threshold.holds({ { operator = operator, bounds = { ... } } }, measured)
  end

  it("compares with every operator, bounds included as the standard has them", function()
    local cases = {
      { "mustBe", 5, { [4] = false, [5] = true, [6] = false } },
      { "mustNotBe", 5, { [4] = true, [5] = false, [6] = true } },
      { "mustBeGreaterThan", 5, { [4] = false, [5] = false, [6] = true } },
      { "mustBeGreaterOrEqualTo", 5, { [4] = false, [5] = true, [6] = true } },
      { "mustBeLessThan", 5, { [4] = true, [5] = false, [6] = false } },
      { "mustBeLessOrEqualTo", 5, { [4] = true, [5] = true, [6] = false } },
    }
    for _, case in ipairs(cases) do
      for measured, expected in pairs(case[3]) do
        assert.equal(expected, holds(case[1], measured, case[2]), case[1] .. " " .. measured)
      end
    end
    for measured, expected in pairs { [0] = false, true, true, true, false } do
      assert.equal(expected, holds("mustBeBetween", measured, 1, 3))
      assert.equal(not expected, holds("mustNotBeBetween", measured, 1, 3))
    end
  end)

  it("holds at a percentage's bound exactly, for every bound of two decimals", function()
    for hundredths = 0, 10000 do
      local expectations = { { operator = "mustBeLessOrEqualTo", bounds = { hundredths / 100 } } }
      local below = { { operator = "mustBeLessThan", bounds = { hundredths / 100 } } }
      assert.is_true(threshold.holds_percent(expectations, hundredths, 10000))
      assert.is_false(threshold.holds_percent(expectations, hundredths + 1, 10000))
      assert.is_false(threshold.holds_percent(below, hundredths, 10000))
    end
  end)

  it("takes 0 percent of no rows", function()
    local function holds_of_none(operator, bound)
      return threshold.holds_percent({ { operator = operator, bounds = { bound } } }, 0, 0)
    end
    assert.is_true(holds_of_none("mustBeLessThan", 5))
    assert.is_true(holds_of_none("mustBe", 0))
    assert.is_false(holds_of_none("mustBeGreaterThan", 0))
  end)
end)

describe("pattern.to_posix", function()
  it("translates what both dialects can say", function()
    local cases = {
      ["^\\d{4}-\\d\\d$"] = "^[0-9]{4}-[0-9][0-9]$",
      ["(?:a|b)+\\."] = "(a|b)+\\.",
      ["[\\w.+-]+"] = "[A-Za-z0-9_.+-]+",
      ["[\\]\\-^a]"] = "[]a^-]",
      ["[^\\d]"] = "[^0-9]",
      ["[\\\\]"] = "[\\]",
      ["[\\^]"] = "\\^",
      ["\\D"] = "[^0-9]",
      ["\\/"] = "/",
    }
    for ecma, posix in pairs(cases) do assert.equal(posix, pattern.to_posix(ecma)) end
  end)

  it("refuses what the warehouse could not match or would match otherwise", function()
    for _, text in ipairs {
      "a+?", "(?=a)", "(?!a)", "(?<n>a)", "\\b", "(a)\\1", "[a", "[]", "a\\", "[é]", "[z-a]",
    } do
      local posix, why = pattern.to_posix(text)
      assert.is_nil(posix, text)
      assert.is_string(why)
    end
  end)
end)
