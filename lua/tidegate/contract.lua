-- SPDX-License-Identifier: Apache-2.0
--- Data contracts: what a table promises, as the Open Data Contract Standard writes it.
---
---   local made, faults = contract.parse(text, "contracts/orders.yaml")
---
--- A contract has objects (tables), an object has properties (columns) and rules. Whether a table
--- keeps its contract is for `tidegate.quality` to find out.
local custom = require "tidegate.contract.custom"
local fields = require "tidegate.contract.fields"
local node = require "tidegate.contract.node"
local property = require "tidegate.contract.property"
local rule = require "tidegate.contract.rule"
local yaml = require "tidegate._yaml"

local contract = {}

---@class tidegate.Contract
---@field file string
---@field id string
---@field name? string
---@field version string
---@field status string
---@field objects tidegate.contract.Object[]
---@field notes tidegate.contract.Fault[] what is right, and not acted on

---@class tidegate.contract.Object
---@field name string
---@field table string the physical name
---@field properties tidegate.contract.Property[]
---@field rules tidegate.contract.Rule[]

local required = { "version", "apiVersion", "kind", "id", "status" }

---Makes ids unique in their object, so that each check result names one rule.
---@param rules tidegate.contract.Rule[]
local function ids_settle(rules)
  local taken = {}
  for _, made in ipairs(rules) do
    local id, count = made.id, 1
    while taken[made.id] do
      count = count + 1
      made.id = ("%s_%d"):format(id, count)
    end
    taken[made.id] = true
  end
end

---Makes the rule that the primary key is unique. It is as hard as its hardest column.
---@param parts tidegate.contract.Property[]
---@param at tidegate.contract.Node
---@return tidegate.contract.Rule?
local function key_rule(parts, at)
  local keys = {}
  for i, part in ipairs(parts) do
    if part.key_position then
      keys[#keys + 1] = { part = part, order = i }
    end
  end
  if #keys == 0 then return nil end
  table.sort(keys, function(a, b)
    local one, other = a.part.key_position, b.part.key_position
    if one ~= other then return one < other end
    return a.order < b.order
  end)
  local hardness, action = { warn = 1, drop = 2, fail = 3 }, "warn"
  local columns = {}
  for i, key in ipairs(keys) do
    columns[i] = key.part.column
    if hardness[key.part.action] > hardness[action] then action = key.part.action end
  end
  return property.demand(at, "primaryKey", action, { check = "duplicateValues", columns = columns })
end

---@param at tidegate.contract.Node
---@return tidegate.contract.Object?
local function object_read(at)
  local got = at:read(fields.object, "an object of the schema")
  if not got.name then
    if not at:child("name") then at:fault("an object of the schema needs a name") end
    return nil
  end
  custom.action(at)
  at:word("logicalType", { "object" })
  local columns, rules, parts = property.columns(at), {}, {}
  for _, item in ipairs(at:items("properties")) do
    parts[#parts + 1] = property.read(item, columns, rules)
  end
  rules[#rules + 1] = key_rule(parts, at)
  for _, item in ipairs(at:items("quality")) do
    rules[#rules + 1] = rule.read(item, { columns = columns })
  end
  ids_settle(rules)
  return {
    name = got.name, table = got.physicalName or got.name, properties = parts, rules = rules,
  }
end

---@param root tidegate.contract.Node
local function head_check(root, got)
  for _, field in ipairs(required) do
    if not root:child(field) then root:fault(("the contract has no '%s'"):format(field)) end
  end
  if got.kind then root:word("kind", { "DataContract" }) end
  if got.apiVersion and not got.apiVersion:find("^v3%.%d+%.%d+$") then
    root:child("apiVersion"):fault(("the version '%s' of the standard is not supported")
      :format(got.apiVersion), "v3.1.0, or another v3")
  end
end

---@param root tidegate.contract.Node
---@return tidegate.contract.Object[]
local function objects_read(root)
  local objects, names = {}, {}
  for _, item in ipairs(root:items("schema")) do
    local object = object_read(item)
    if object and names[object.name] then
      item:fault(("a second object has the name '%s'"):format(object.name))
    end
    if object then names[object.name] = true end
    objects[#objects + 1] = object
  end
  return objects
end

---Turns "name:line:column: message" of the YAML reader into a fault.
---@param err { message: string }
---@param name string
---@return tidegate.contract.Fault
local function yaml_fault(err, name)
  local line, column, message = err.message:sub(#name + 2):match("^(%d+):(%d+): (.*)$")
  return {
    file = name, line = math.tointeger(tonumber(line)) or 1,
    column = math.tointeger(tonumber(column)) or 1, message = message or err.message,
  }
end

---@param faults tidegate.contract.Fault[]
---@return tidegate.contract.Fault[]
local function sorted(faults)
  local order = {}
  for i, fault in ipairs(faults) do order[fault] = i end
  table.sort(faults, function(a, b)
    if a.line ~= b.line then return a.line < b.line end
    if a.column ~= b.column then return a.column < b.column end
    return order[a] < order[b]
  end)
  return faults
end

---Reads a contract.
---
---Errors: a contract with any fault is none: the faults are listed in the order of the file
---Source: Open Data Contract Standard 3.1.0
---@param text string
---@param name string the file's name, for faults
---@return tidegate.Contract?
---@return tidegate.contract.Fault[]? faults
function contract.parse(text, name)
  local value, place = yaml.parse(text, name)
  if place.message then return nil, { yaml_fault(place, name) } end
  local reader = { file = name, faults = {}, notes = {} }
  local root = node.new(value, place, reader)
  local got = root:read(fields.contract, "a contract")
  local objects = {}
  if place.kind == "mapping" then
    head_check(root, got)
    custom.action(root)
    objects = objects_read(root)
  end
  if #reader.faults > 0 then return nil, sorted(reader.faults) end
  return {
    file = name, id = got.id, name = got.name, version = got.version, status = got.status,
    objects = objects, notes = sorted(reader.notes),
  }
end

---Gives the object of a contract that is meant by a table's name: the one of that physical name or
---name, or the only one.
---@param self tidegate.Contract
---@param table_name string
---@return tidegate.contract.Object?
function contract.object(self, table_name)
  for _, field in ipairs { "table", "name" } do
    for _, object in ipairs(self.objects) do
      if object[field] == table_name then return object end
    end
  end
  return #self.objects == 1 and self.objects[1] or nil
end

return contract
