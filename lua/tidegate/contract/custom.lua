-- SPDX-License-Identifier: Apache-2.0
--- Custom properties, the standard's place for what it does not name. Tidegate's own begin with
--- "tidegate."; all others are somebody else's and are left alone.
local fields = require "tidegate.contract.fields"

local custom = {}

local known = { "tidegate.action" }
local actions = { "drop", "fail", "warn" }

---@alias tidegate.contract.Action "warn"|"drop"|"fail"

---@param item tidegate.contract.Node
---@return tidegate.contract.Action?
local function action_read(item)
  return item:word("value", actions) --[[@as tidegate.contract.Action?]]
end

---Checks the custom properties of a node and gives the action they ask for.
---@param node tidegate.contract.Node
---@return tidegate.contract.Action?
function custom.action(node)
  local action
  for _, item in ipairs(node:items("customProperties")) do
    local name = item:read(fields.custom, "a custom property").property
    if name == "tidegate.action" then
      action = action_read(item)
    elseif name and name:sub(1, 9) == "tidegate." then
      item:unknown(("unknown custom property '%s'"):format(name), name, known)
    end
  end
  return action
end

return custom
