-- SPDX-License-Identifier: Apache-2.0
--- tg.gate: a contract that must hold. The gate fails closed: a check that breaks or is late counts
--- as failed, and nothing behind the gate starts.
local contract = require "tidegate.contract"
local native = require "tidegate._native"
local quality = require "tidegate.quality"
local schema = require "tidegate.pipeline.schema"
local sql = require "tidegate.sql"

local gate = {}

local SHOWN_MAX = 3 -- failed checks that the error's sentence names

gate.schema = {
  contract = { schema.string, required = true },
  table = { schema.identifier },
}

function gate.bake(task, report, faults)
  local own = task.own
  if type(own.contract) ~= "string" then return end
  local text, path = native.source("contract", own.contract)
  if not text then
    report(("contract = %q: %s"):format(own.contract, path),
      ("it would be contracts/%s.yaml"):format(own.contract))
    return
  end
  local parsed, found = contract.parse(text, path)
  for _, fault in ipairs(found or {}) do
    local at = ("%s:%d:%d"):format(fault.file, fault.line, fault.column)
    faults:add(at, fault.message, fault.hint)
  end
  if not parsed then return end
  if not own.table and #parsed.objects ~= 1 then
    report(("contract %q has %d tables: say which one"):format(own.contract, #parsed.objects),
      'table = "silver_orders"')
    return
  end
  own.parsed = parsed
  own.table = own.table or parsed.objects[1].table
  if not contract.object(parsed, own.table) then
    report(("contract %q has no table %q"):format(own.contract, own.table))
  end
end

local function sentence(check)
  local where = check.column and ("%s (%s)"):format(check.rule, check.column) or check.rule
  return ("%s: %s"):format(where, check.message or check.outcome)
end

-- The checks that stopped the gate, and the ones that only warn.
local function part_failed(checks)
  local stopping, warning = {}, {}
  for _, check in ipairs(checks) do
    if check.outcome == "error" or (check.outcome == "failed" and check.action == "fail") then
      stopping[#stopping + 1] = sentence(check)
    elseif check.outcome == "failed" then
      warning[#warning + 1] = sentence(check)
    end
  end
  return stopping, warning
end

local function contract_error(result, stopping)
  local more = #stopping > SHOWN_MAX and ("; and %d more"):format(#stopping - SHOWN_MAX) or ""
  return {
    code = "contract", class = "contract",
    message = ("%s: %d of %d checks failed: %s%s"):format(result.table, #stopping, #result.checks,
      table.concat(stopping, "; ", 1, math.min(#stopping, SHOWN_MAX)), more),
  }
end

function gate.run(task, ctx, facts)
  local own = task.own
  local result = quality.check(sql, own.parsed, own.table, { run_id = ctx.run })
  facts.checks = result.checks
  local stopping, warning = part_failed(result.checks)
  for _, text in ipairs(warning) do ctx:log("warn", "%s: %s", own.table, text) end
  if result.dropped > 0 then
    ctx:log("warn", "%s: %d rows are in quarantine_%s", own.table, result.dropped, own.table)
  end
  if not result.passed then return nil, contract_error(result, stopping) end
  return {
    table = own.table, checks = #result.checks, warnings = #warning, dropped = result.dropped,
  }
end

return gate
