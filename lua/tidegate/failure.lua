-- SPDX-License-Identifier: Apache-2.0
--- Errors that the library makes itself: tables as those of the host, which read as their message.
local failure = {}

local metatable = { __metatable = false }

function metatable.__tostring(err)
  return tostring(rawget(err, "message"))
end

---Makes an error of a table.
---@param err { code: string, class: string, message: string }
---@return tidegate.Error
function failure.new(err)
  return setmetatable(err, metatable)
end

return failure
