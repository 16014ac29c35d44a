-- SPDX-License-Identifier: Apache-2.0
--- Secrets: a script has a name for one and never its value. The host puts the value in its place
--- where it sends a request.
local secret = {}

---@class tidegate.Secret
---@field secret string the name

---Makes the handle of a secret.
---@param name string
---@return tidegate.Secret
function secret.new(name)
  if type(name) ~= "string" or not name:find("^[%a_][%w_]*$") then
    error("tg.secret takes the name of a secret: letters, digits and _", 2)
  end
  return setmetatable({}, {
    __metatable = false,
    __index = { secret = name },
    __newindex = function() error("a secret cannot be changed", 2) end,
    __tostring = function() return ("tg.secret %q"):format(name) end,
  })
end

return secret
