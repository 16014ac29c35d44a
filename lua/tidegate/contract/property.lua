-- SPDX-License-Identifier: Apache-2.0
--- Reads the properties of an object, and makes rules of what their declarations demand: a required
--- property has no nulls, an integer is one, a minimum holds. These rules are hard (action "fail")
--- unless the property has the custom property tidegate.action.
local custom = require "tidegate.contract.custom"
local fields = require "tidegate.contract.fields"
local rule = require "tidegate.contract.rule"
local yaml = require "tidegate._yaml"

local property = {}

---@class tidegate.contract.Property
---@field name string
---@field column string the physical column
---@field logical_type? string
---@field key_position? integer of a part of the primary key
---@field action tidegate.contract.Action of the rules that its declaration makes

local no_bad_rows = { { operator = "mustBe", bounds = { 0 } } }
local types = fields.names(fields.options)
local integer_formats = { "i8", "i16", "i32", "i64", "i128", "u8", "u16", "u32", "u64", "u128" }
local unchecked = {
  minProperties = true, maxProperties = true, required = true, uniqueItems = true,
  timezone = true, defaultTimezone = true,
}
local is_moment = { date = true, timestamp = true, time = true } -- whose format is a shape of texts
local text_formats = { uuid = true, email = true, ipv4 = true, uri = true }

---Makes a rule that allows no bad rows.
---@param node tidegate.contract.Node
---@param id string
---@param action tidegate.contract.Action
---@param more table
---@return tidegate.contract.Rule
function property.demand(node, id, action, more)
  local made = {
    id = id, action = action, unit = "rows", expectations = no_bad_rows,
    line = node.place.line, position = node.place.column,
  }
  for key, value in pairs(more) do made[key] = value end
  return made
end

---@param node tidegate.contract.Node
---@param logical_type string
local function format_check(node, logical_type)
  if logical_type == "integer" then
    node:word("format", integer_formats)
  elseif logical_type == "string" and not text_formats[node:child("format").value] then
    node:child("format"):note(("the format '%s' is not checked"):format(node:child("format").value))
  end
end

---Makes rules of the options of the logical type.
---@param options tidegate.contract.Node
---@param self tidegate.contract.Property
---@param rules tidegate.contract.Rule[]
local function options_read(options, self, rules)
  local known = fields.options[self.logical_type]
  local got = options:read(known, "the options of type " .. self.logical_type)
  if got.format then format_check(options, self.logical_type) end
  for _, option in ipairs(fields.names(got)) do
    if unchecked[option] then
      options:child(option):note(("the option '%s' is not checked"):format(option))
    elseif option ~= "format" or not is_moment[self.logical_type] then
      local at = options:child(option) --[[@as tidegate.contract.Node]]
      rules[#rules + 1] = property.demand(at, self.name .. "." .. option, self.action, {
        check = option, value = got[option], column = self.column,
        logical_type = self.logical_type,
        posix = option == "pattern" and rule.pattern_read(at) or nil,
      })
    end
  end
  return got.format
end

---@param node tidegate.contract.Node
---@param self tidegate.contract.Property
---@param rules tidegate.contract.Rule[]
local function type_read(node, self, rules)
  self.logical_type = node:word("logicalType", types)
  local options = node:child("logicalTypeOptions")
  if not self.logical_type then
    if options and not node:child("logicalType") then
      options:fault("options need a logicalType")
    end
    return
  end
  local at = #rules + 1
  local format = options and options_read(options, self, rules)
  table.insert(rules, at, property.demand(node:child("logicalType"), self.name .. ".logicalType",
    self.action, { check = "logicalType", value = self.logical_type, column = self.column,
      pattern = is_moment[self.logical_type] and format or nil }))
end

---@param node tidegate.contract.Node
---@param self tidegate.contract.Property
---@param rules tidegate.contract.Rule[]
local function enum_read(node, self, rules)
  local values = {}
  for _, item in ipairs(node:items("enum")) do
    local value = item:read(fields.enum, "a value of an enum").value
    if type(value) == "table" or value == nil then
      item:fault("a value of an enum needs a 'value' that is a scalar")
    end
    values[#values + 1] = value
  end
  rules[#rules + 1] = property.demand(node:child("enum"), self.name .. ".enum", self.action,
    { check = "invalidValues", values = values, column = self.column })
end

---Checks what is inside an object or array. Its parts have no column of their own, so that nothing
---they demand is checked.
---@param node tidegate.contract.Node
local function inside_read(node)
  local parts = node:items("properties")
  parts[#parts + 1] = node:child("items")
  for _, part in ipairs(parts) do
    local got = part:read(fields.property, "a property")
    part:word("logicalType", types)
    if got.quality or got.required or got.unique or got.logicalTypeOptions then
      part:note("what is demanded inside an object or array is not checked")
    end
    inside_read(part)
  end
end

---Reads one property of an object and adds the rules it makes and has.
---@param node tidegate.contract.Node
---@param columns table<string, string> property name -> column, of the whole object
---@param rules tidegate.contract.Rule[]
---@return tidegate.contract.Property?
function property.read(node, columns, rules)
  local got = node:read(fields.property, "a property")
  if not got.name then
    if not node:child("name") then node:fault("a property needs a name") end
    return nil
  end
  local self = {
    name = got.name, column = columns[got.name], action = custom.action(node) or "fail",
  }
  if got.primaryKey then
    self.key_position = (got.primaryKeyPosition or -1) >= 1 and got.primaryKeyPosition or math.huge
  end
  local function add(field, id, more)
    more.column = self.column
    rules[#rules + 1] =
      property.demand(node:child(field), self.name .. "." .. id, self.action, more)
  end
  if got.required then
    add("required", "required", { check = "nullValues" })
  elseif got.primaryKey then
    add("primaryKey", "primaryKey", { check = "nullValues" })
  end
  type_read(node, self, rules)
  if got.enum then enum_read(node, self, rules) end
  if got.unique then
    add("unique", "unique", { check = "duplicateValues", columns = { self.column } })
  end
  inside_read(node)
  for _, item in ipairs(node:items("quality")) do
    rules[#rules + 1] = rule.read(item,
      { property = self.name, column = self.column, columns = columns })
  end
  return self
end

---Gives the physical column of each property by the property's name.
---@param object tidegate.contract.Node
---@return table<string, string>
function property.columns(object)
  local columns = {}
  for _, item in ipairs(object:items("properties")) do
    local name, physical = item:child("name"), item:child("physicalName")
    if name and type(name.value) == "string" then
      if columns[name.value] then
        name:fault(("a second property has the name '%s'"):format(name.value))
      end
      local is_text = physical and physical.value ~= yaml.null and type(physical.value) == "string"
      columns[name.value] = is_text and physical.value or name.value
    end
  end
  return columns
end

return property
