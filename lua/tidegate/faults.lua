-- SPDX-License-Identifier: Apache-2.0
--- Collects what is wrong with a bundle: all of it, not just the first.

---@class tidegate.Fault
---@field file string
---@field line integer
---@field column? integer
---@field message string
---@field hint? string what to do about it

---@class tidegate.Faults
---@field list tidegate.Fault[]
---@field path string the file a fault belongs to that has no place of its own
local faults = {}
faults.__index = faults

---@param path string
---@return tidegate.Faults
function faults.new(path)
  return setmetatable({ list = {}, path = path }, faults)
end

---Splits "pipelines/orders.lua:12", or "contracts/orders.yaml:12:5", into its parts.
---@param at string?
---@param path string used where `at` says nothing
---@return string file
---@return integer line
---@return integer? column
function faults.place(at, path)
  local file, line, column = (at or ""):match("^(.+):(%d+):(%d+)$")
  if not file then file, line = (at or ""):match("^(.+):(%d+)$") end
  return file or path, math.tointeger(tonumber(line)) or 1, math.tointeger(tonumber(column))
end

---@param at string? "file:line", or "file:line:column"
---@param message string
---@param hint string?
function faults:add(at, message, hint)
  local file, line, column = faults.place(at, self.path)
  self.list[#self.list + 1] =
    { file = file, line = line, column = column, message = message, hint = hint }
end

---Adds what another collector has.
---@param other tidegate.Faults
function faults:take(other)
  table.move(other.list, 1, #other.list, #self.list + 1, self.list)
end

---Gives a function that adds faults at one place, about one thing.
---@param at string?
---@param what string? 'task "bronze"'
---@return tidegate.Report
function faults:reporter(at, what)
  return function(message, hint)
    self:add(at, what and what .. ": " .. message or message, hint)
  end
end

---@return boolean
function faults:is_empty()
  return #self.list == 0
end

---Gives the faults in the order in which a reader of the files meets them.
---@return tidegate.Fault[]
function faults:sorted()
  local order = {}
  for i, fault in ipairs(self.list) do order[fault] = i end
  table.sort(self.list, function(a, b)
    if a.file ~= b.file then return a.file < b.file end
    if a.line ~= b.line then return a.line < b.line end
    return order[a] < order[b]
  end)
  return self.list
end

return faults
