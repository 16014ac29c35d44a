-- SPDX-License-Identifier: Apache-2.0
--- The fields of a contract and the kind of each. A field that is not here is a fault.
---
--- Source: ODCS 3.1.0 (odcs-json-schema-v3.1.0.json); `enum` of a property is of 3.2
local fields = {}

---@alias tidegate.contract.Kind "text"|"flag"|"integer"|"number"|"sequence"|"mapping"|"any"

---@param ... table<string, tidegate.contract.Kind>
---@return table<string, tidegate.contract.Kind>
local function union(...)
  local all = {}
  for _, part in ipairs { ... } do
    for name, kind in pairs(part) do all[name] = kind end
  end
  return all
end

local element = {
  id = "text", name = "text", physicalType = "text", description = "text", businessName = "text",
  authoritativeDefinitions = "sequence", tags = "sequence", customProperties = "sequence",
}

fields.contract = {
  version = "text", kind = "text", apiVersion = "text", id = "text", name = "text",
  tenant = "text", tags = "sequence", status = "text", servers = "sequence",
  dataProduct = "text", description = "mapping", domain = "text", schema = "sequence",
  support = "sequence", price = "mapping", team = "any", roles = "sequence",
  slaDefaultElement = "text", slaProperties = "sequence",
  authoritativeDefinitions = "sequence", customProperties = "sequence",
  contractCreatedTs = "text",
}

fields.object = union(element, {
  logicalType = "text", physicalName = "text", dataGranularityDescription = "text",
  properties = "sequence", relationships = "sequence", quality = "sequence",
})

fields.property = union(element, {
  primaryKey = "flag", primaryKeyPosition = "integer", logicalType = "text",
  logicalTypeOptions = "mapping", physicalName = "text", required = "flag", unique = "flag",
  partitioned = "flag", partitionKeyPosition = "integer", classification = "text",
  encryptedName = "text", transformSourceObjects = "sequence", transformLogic = "text",
  transformDescription = "text", examples = "sequence", criticalDataElement = "flag",
  relationships = "sequence", quality = "sequence", enum = "sequence",
  properties = "sequence", items = "mapping",
})

fields.enum = {
  value = "any", label = "text", description = "text", tags = "sequence",
  authoritativeDefinitions = "sequence", customProperties = "sequence", id = "text",
}

fields.custom = { id = "text", property = "text", value = "any", description = "text" }

fields.rule = {
  id = "text", name = "text", type = "text", metric = "text", rule = "text",
  arguments = "mapping", unit = "text", query = "text", engine = "text", implementation = "any",
  description = "text", dimension = "text", method = "text", severity = "text",
  businessImpact = "text", schedule = "text", scheduler = "text", tags = "sequence",
  authoritativeDefinitions = "sequence", customProperties = "sequence",
  mustBe = "any", mustNotBe = "any",
  mustBeGreaterThan = "number", mustBeGreaterOrEqualTo = "number",
  mustBeLessThan = "number", mustBeLessOrEqualTo = "number",
  mustBeBetween = "sequence", mustNotBeBetween = "sequence",
}

---The arguments of each library metric.
fields.arguments = {
  nullValues = {},
  missingValues = { missingValues = "sequence" },
  invalidValues = { validValues = "sequence", pattern = "text" },
  duplicateValues = { properties = "sequence" },
  rowCount = {},
}

local bounds = { "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum" }

---@param kind tidegate.contract.Kind
local function bounded(kind, more)
  local options = union(more)
  for _, name in ipairs(bounds) do options[name] = kind end
  return options
end

local moment = { format = "text", timezone = "flag", defaultTimezone = "text" }

---The options of each logical type; its keys are the logical types there are.
fields.options = {
  string = { minLength = "integer", maxLength = "integer", pattern = "text", format = "text" },
  integer = bounded("number", { multipleOf = "number", format = "text" }),
  number = bounded("number", { multipleOf = "number", format = "text" }),
  boolean = {},
  date = bounded("text", { format = "text" }),
  timestamp = bounded("text", moment),
  time = bounded("text", moment),
  object = { minProperties = "integer", maxProperties = "integer", required = "sequence" },
  array = { minItems = "integer", maxItems = "integer", uniqueItems = "flag" },
}

---Gives the names of a table of fields, sorted.
---@param known table<string, any>
---@return string[]
function fields.names(known)
  local names = {}
  for name in pairs(known) do names[#names + 1] = name end
  table.sort(names)
  return names
end

return fields
