-- SPDX-License-Identifier: Apache-2.0
local project_of = require "support.project"

local CONTRACT = [[
apiVersion: v3.1.0
kind: DataContract
id: orders
version: 1.0.0
status: active
schema:
  - name: orders
    physicalName: silver_orders
    properties:
      - name: id
        logicalType: integer
        required: true
        customProperties: [{property: tidegate.action, value: drop}]
      - name: region
        logicalType: string
        quality:
          - metric: invalidValues
            arguments: {validValues: [US, EU]}
            mustBe: 0
            severity: warning
    quality:
      - metric: rowCount
        mustBeGreaterThan: 1
]]

describe("a gate", function()
  local project, logged
  before_each(function()
    project = project_of.new {
      ["contracts/orders.yaml"] = CONTRACT,
      ["contracts/bad.yaml"] = CONTRACT:gsub("mustBeGreaterThan", "mustBeGreaterThn"),
    }
    logged = {}
    require("tidegate._native").log = function(_, text) logged[#logged + 1] = text end
  end)
  after_each(function() project:close() end)

  local function check(statements)
    assert(project:build 'tasks = { tg.gate "g" { contract = "orders" } }')
    local sql = require "tidegate.sql"
    assert(sql.open { path = project.dir .. "/warehouse.db" })
    if statements then assert(sql.exec(statements)) end
    return project:run(0)
  end

  it("lets a table through that keeps its contract", function()
    local value, facts = check [[CREATE TABLE silver_orders AS
      SELECT 1 AS id, 'EU' AS region UNION SELECT 2, 'US']]
    assert.same({ "silver_orders", 0, 0 }, { value.table, value.warnings, value.dropped })
    assert.equal(value.checks, #facts.checks)
    assert.same({}, logged)
  end)

  it("warns of what may be, and tells what it moved away", function()
    local value = check [[CREATE TABLE silver_orders AS
      SELECT 1 AS id, 'EU' AS region UNION SELECT 2, 'XX' UNION SELECT NULL, 'US']]
    assert.same({ 1, 1 }, { value.warnings > 0 and 1, value.dropped })
    local text = table.concat(logged, "\n")
    assert.truthy(text:find("region", 1, true))
    assert.truthy(text:find("1 rows are in quarantine_silver_orders", 1, true))
  end)

  it("stops at a rule that must hold, with its checks", function()
    local value, err, facts = check "CREATE TABLE silver_orders AS SELECT 1 AS id, 'EU' AS region"
    assert.is_nil(value)
    assert.same({ "contract", "contract" }, { err.code, err.class })
    assert.truthy(err.message:find("^silver_orders: 1 of %d+ checks failed: rowCount"), err.message)
    assert.is_true(#facts.checks > 0)
  end)

  it("stops when the table is not there", function()
    local value, err = check()
    assert.is_nil(value)
    assert.truthy(err.message:find("there is no table silver_orders", 1, true))
  end)

  it("tells the faults of its contract where they stand", function()
    local faults = project:faults 'tasks = { tg.gate "g" { contract = "bad" } }'
    assert.truthy(faults:find("contracts/bad.yaml:23: unknown field 'mustBeGreaterThn'", 1, true),
      faults)
  end)
end)
