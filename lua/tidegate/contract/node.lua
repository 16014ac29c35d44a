-- SPDX-License-Identifier: Apache-2.0
--- A value of a contract file that knows its place, so that whoever finds a fault in it can say
--- where. All nodes of a file share one list of faults and one of notes.
local fields = require "tidegate.contract.fields"
local suggest = require "tidegate.suggest"
local yaml = require "tidegate._yaml"

local FAULTS_MAX = 50 -- a file with more is not the file it was meant to be

---@class tidegate.contract.Fault
---@field file string
---@field line integer
---@field column integer
---@field message string
---@field hint? string what to do about it

---@class tidegate.contract.Reader what the nodes of a file share
---@field file string
---@field faults tidegate.contract.Fault[]
---@field notes tidegate.contract.Fault[]

---@class tidegate.contract.Node
---@field value any
---@field place { line: integer, column: integer, kind: string, children: table? }
---@field reader tidegate.contract.Reader
local node = {}
node.__index = node

---@param value any
---@param place table
---@param reader tidegate.contract.Reader
---@return tidegate.contract.Node
function node.new(value, place, reader)
  return setmetatable({ value = value, place = place, reader = reader }, node)
end

---@param list tidegate.contract.Fault[]
local function add(self, list, message, hint)
  if #list >= FAULTS_MAX then return end
  list[#list + 1] = {
    file = self.reader.file, line = self.place.line, column = self.place.column,
    message = message, hint = hint,
  }
end

---Adds a fault at the node's place.
---@param message string
---@param hint string?
function node:fault(message, hint)
  add(self, self.reader.faults, message, hint)
end

---Adds a note: something that is right, and that Tidegate does not act on.
---@param message string
function node:note(message)
  add(self, self.reader.notes, message)
end

---Gives a member of a mapping or an item of a sequence; nil where it is absent or null.
---@param key string|integer
---@return tidegate.contract.Node?
function node:child(key)
  local value = self.place.children and self.value[key]
  if value == nil or value == yaml.null then return nil end
  return node.new(value, self.place.children[key], self.reader)
end

---Gives the items of a sequence that is a member, null items included; none if it is no sequence.
---@param key string
---@return tidegate.contract.Node[]
function node:items(key)
  local list, items = self:child(key), {}
  if not list or list.place.kind ~= "sequence" then return items end
  for i, value in ipairs(list.value) do
    items[i] = node.new(value, list.place.children[i], self.reader)
  end
  return items
end

local articles = {
  text = "a text", flag = "true or false", integer = "an integer", number = "a number",
  sequence = "a sequence", mapping = "a mapping",
}

---@param self tidegate.contract.Node
---@param kind tidegate.contract.Kind
---@return boolean
local function is_kind(self, kind)
  if kind == "any" then return true end
  if kind == "text" then return type(self.value) == "string" end
  if kind == "flag" then return type(self.value) == "boolean" end
  if kind == "integer" then return math.type(self.value) == "integer" end
  if kind == "number" then return type(self.value) == "number" end
  return self.place.kind == kind
end

---Says what a node should have been.
---@param what string how the node is called in the fault
---@param kind tidegate.contract.Kind
---@return boolean is_right
function node:expect(what, kind)
  if is_kind(self, kind) then return true end
  local hint = kind == "text" and self.place.kind == "scalar" and "put it in quotes" or nil
  self:fault(("%s must be %s"):format(what, articles[kind]), hint)
  return false
end

---Reads the fields of a mapping. A field that is not known, or of a wrong kind, is a fault and is
---left out of the result, as is one that is null.
---@param known table<string, tidegate.contract.Kind>
---@param what string how the mapping is called in faults
---@return table<string, any>
function node:read(known, what)
  local got = {}
  if not self:expect(what, "mapping") then return got end
  for _, key in ipairs(fields.names(self.value)) do
    local child = self:child(key)
    local kind = known[key]
    if not kind then
      local at = node.new(nil, self.place.children[key], self.reader)
      at:unknown(("unknown field '%s' in %s"):format(key, what), key, fields.names(known))
    elseif child and child:expect("'" .. key .. "'", kind) then
      got[key] = child.value
    end
  end
  return got
end

---Adds a fault about a word that is not known.
---@param message string
---@param word any
---@param candidates string[]
function node:unknown(message, word, candidates)
  if #self.reader.faults >= FAULTS_MAX then return end
  self:fault(message, suggest.hint(word, candidates))
end

---Reads a word out of a few; another one is a fault, and nil.
---@param key string
---@param words string[]
---@return string?
function node:word(key, words)
  local child = self:child(key)
  if not child then return nil end
  for _, word in ipairs(words) do
    if word == child.value then return word end
  end
  child:unknown(("unknown %s '%s'"):format(key, tostring(child.value)), child.value, words)
  return nil
end

return node
