-- SPDX-License-Identifier: Apache-2.0
--- What a rule expects of the number it measures.
---
--- Several operators in one rule must all hold. `mustBeBetween` includes both bounds. A percentage
--- is never divided: failed rows * 100 and bound * rows are compared as integers, so that a rule
--- holds at its bound exactly; of a table without rows it is 0.
---
--- Source: ODCS 3.1.0, "Valid Properties for Operator". The JSON schema allows one operator only;
---         the standard's text shows two and has precedence. The text gives mustBeBetween as both
---         "∈ [0, 100]" and "greater than, less than"; the closed range is what its examples mean.
local threshold = {}

---@alias tidegate.contract.Unit "rows"|"percent"|"value" value: what a query gives, whatever it is

---@class tidegate.contract.Expectation
---@field operator string
---@field bounds any[] one, or two of a range

local MILLION = 1000000 -- percentages have up to six decimals

threshold.operators = {
  "mustBe", "mustNotBe", "mustBeGreaterThan", "mustBeGreaterOrEqualTo", "mustBeLessThan",
  "mustBeLessOrEqualTo", "mustBeBetween", "mustNotBeBetween",
}

local tests = {
  mustBe = function(x, bound) return x == bound end,
  mustNotBe = function(x, bound) return x ~= bound end,
  mustBeGreaterThan = function(x, bound) return x > bound end,
  mustBeGreaterOrEqualTo = function(x, bound) return x >= bound end,
  mustBeLessThan = function(x, bound) return x < bound end,
  mustBeLessOrEqualTo = function(x, bound) return x <= bound end,
  mustBeBetween = function(x, low, high) return x >= low and x <= high end,
  mustNotBeBetween = function(x, low, high) return x < low or x > high end,
}

local function millionths(percent)
  return math.floor(percent * MILLION + 0.5)
end

---@param child tidegate.contract.Node
local function percent_check(child, bound)
  if bound < 0 or bound > 100 then
    child:fault("a percentage must be from 0 to 100")
  elseif math.abs(bound * MILLION - millionths(bound)) > 1e-4 then
    child:fault("a percentage has at most six decimals")
  end
end

---Reads the bounds of one operator.
---@param child tidegate.contract.Node
---@return any[]?
local function bounds_read(child, operator)
  if not operator:find("Between", 1, true) then
    return child.place.kind == "scalar" and { child.value } or nil
  end
  local low, high = child.value[1], child.value[2]
  if #child.value ~= 2 or type(low) ~= "number" or type(high) ~= "number" or low > high then
    return nil
  end
  return { low, high }
end

---@param child tidegate.contract.Node
---@param is_number boolean must the bound be a number, as for everything that is counted
---@return tidegate.contract.Expectation?
local function expectation_read(child, operator, unit, is_number)
  local bounds = bounds_read(child, operator)
  if not bounds then
    child:fault(("%s needs %s"):format(operator,
      operator:find("Between", 1, true) and "two numbers, the smaller first" or "one value"))
    return nil
  end
  if type(bounds[1]) == "boolean" then bounds[1] = bounds[1] and 1 or 0 end
  if is_number and type(bounds[1]) ~= "number" then
    child:fault(operator .. " needs a number")
    return nil
  end
  if unit == "percent" then
    for _, bound in ipairs(bounds) do percent_check(child, bound) end
  end
  return { operator = operator, bounds = bounds }
end

---Says whether a rule has an operator, be it a misspelt one, which is told as such.
---@param node tidegate.contract.Node
---@return boolean
local function has_operator(node)
  for field in pairs(node.value) do
    if field:find("^must") and node:child(field) then return true end
  end
  return false
end

---Reads the operators of a rule; a rule without one is a fault.
---@param node tidegate.contract.Node
---@param got table<string, any> the fields of the rule that are of the right kind
---@param unit tidegate.contract.Unit
---@return tidegate.contract.Expectation[]
function threshold.read(node, got, unit)
  local expectations = {}
  for _, operator in ipairs(threshold.operators) do
    if got[operator] ~= nil then
      expectations[#expectations + 1] =
        expectation_read(node:child(operator), operator, unit, unit ~= "value")
    end
  end
  if not has_operator(node) then
    node:fault("the rule has no operator", "one of: " .. table.concat(threshold.operators, ", "))
  end
  return expectations
end

---Says whether every expectation holds for a number or text that was measured.
---@param expectations tidegate.contract.Expectation[]
---@param measured number|string
---@return boolean
function threshold.holds(expectations, measured)
  for _, expectation in ipairs(expectations) do
    local low, high = expectation.bounds[1], expectation.bounds[2]
    if not tests[expectation.operator](measured, low, high) then return false end
  end
  return true
end

---Says whether every expectation holds for `failed` out of `total` rows in percent.
---@param expectations tidegate.contract.Expectation[]
---@param failed integer
---@param total integer
---@return boolean
function threshold.holds_percent(expectations, failed, total)
  if total == 0 then failed, total = 0, 1 end
  for _, expectation in ipairs(expectations) do
    local low, high = expectation.bounds[1], expectation.bounds[2]
    low = millionths(low) * total
    high = high and millionths(high) * total
    if not tests[expectation.operator](failed * 100 * MILLION, low, high) then return false end
  end
  return true
end

---Says for a person what is expected: "mustBeLessThan 5 percent".
---@param expectations tidegate.contract.Expectation[]
---@param unit tidegate.contract.Unit
---@return string
function threshold.describe(expectations, unit)
  local parts = {}
  for i, expectation in ipairs(expectations) do
    local bounds = {}
    for j, bound in ipairs(expectation.bounds) do bounds[j] = tostring(bound) end
    parts[i] = expectation.operator .. " " .. table.concat(bounds, " and ")
  end
  return table.concat(parts, ", ") .. (unit == "percent" and " percent" or "")
end

return threshold
