-- SPDX-License-Identifier: Apache-2.0
--- Declaring: a word stores what it was given and where. What it means is worked out in bake.lua.
---
--- What a word returns is empty and cannot be changed; its record is kept here. So scripts cannot
--- come by it, and a table that only looks like a parameter is not one. The words of tasks are in
--- tasks.lua.
local columns = require "tidegate._tasks"
local native = require "tidegate._native"
local suggest = require "tidegate.suggest"

local words = {}

---@class tidegate.Record
---@field word string "task", "int", "cron", ...
---@field at string "pipelines/orders.lua:12"
---@field name any what stands before the body: tg.task "name" { body }
---@field body any
---@field options any the second argument of a word that takes two

---@type table<tidegate.Declaration, tidegate.Record>
local records = {}
---@type { at: string, message: string, hint: string? }[]
local mistakes = {}
local is_sealed = false

---Notes what went wrong in the declaring.
---@param at string
---@param message string
---@param hint string?
function words.mistake(at, message, hint)
  mistakes[#mistakes + 1] = { at = at, message = message, hint = hint }
end

---Gives the record behind what a word returned, or nil for anything else. That of a task has no
---body: it was baked when it came.
---@param value any
---@return tidegate.Record?
function words.record(value)
  if type(value) == "table" then return records[value] end
  local word, at, name = columns.describe(value)
  return word and { word = word, at = at, name = name }
end

---Tells whether a value comes from a word that there is not; that was reported where it stands.
---@param value any
---@return boolean
function words.is_unknown(value)
  local record = words.record(value)
  return record ~= nil and record.word == "unknown"
end

local metatable = { __metatable = false }

function metatable.__call(self, body)
  local record = records[self]
  if not record then error("what is declared cannot be called when the pipeline runs", 2) end
  if record.word == "unknown" then return self end
  if record.body ~= nil then
    words.mistake(record.at, words.describe(self) .. " has two bodies")
  elseif body == nil then
    words.mistake(record.at, words.describe(self) .. " has nil where its body should be")
  end
  record.body = body
  return self
end

function metatable.__newindex(self)
  error(words.describe(self) .. " cannot be changed once it is declared", 2)
end

function metatable.__tostring(self)
  return words.describe(self)
end

---@param record tidegate.Record
---@return tidegate.Declaration
local function declare(record)
  if is_sealed then
    error(("tg.%s declares: it belongs in the file itself, not in a function that runs later")
      :format(record.word), 3)
  end
  local declaration = setmetatable({}, metatable)
  records[declaration] = record
  return declaration
end

---Makes a word with a name and a body: tg.task "bronze" { ... }
---@param word string
---@return fun(name: string): tidegate.Declaration
function words.named(word)
  return function(name)
    local declaration = declare { word = word, at = native.where(1), name = name }
    return declaration
  end
end

---Makes a word without a name: tg.int { ... }, tg.cron("0 5 * * *", { ... })
---@param word string
---@return fun(body?: any, options?: any): tidegate.Declaration
function words.plain(word)
  return function(body, options)
    local at = native.where(1)
    local declaration = declare { word = word, at = at, body = body, options = options }
    return declaration
  end
end

---Makes a value that stands for something only a run knows: tg.logical_date
---@param word string
---@return tidegate.Declaration
function words.constant(word)
  return declare { word = word, at = "", body = {} }
end

---Notes the use of a word that there is not, and lets the file go on, so that its other faults are
---found too.
---@param word any
---@param at string
---@param vocabulary string[]
---@return tidegate.Declaration
function words.unknown(word, at, vocabulary)
  word = tostring(word)
  if is_sealed then error(("tg.%s is not a word of Tidegate"):format(word), 3) end
  words.mistake(at, ("tg.%s is not a word of Tidegate"):format(word),
    suggest.hint(word, vocabulary))
  return declare { word = "unknown", at = at }
end

---Tells whether the declaring has ended.
---@return boolean
function words.is_sealed()
  return is_sealed
end

---Ends the declaring and hands over what went wrong in it.
---@return { at: string, message: string, hint: string? }[]
function words.seal()
  is_sealed = true
  columns.seal()
  return mistakes
end

---Says what a value is, for messages.
---@param value any
---@return string
function words.describe(value)
  local record = words.record(value)
  if record and record.name ~= nil then
    local name = type(record.name) == "string" and ("%q"):format(record.name) or "without a name"
    return ("tg.%s %s"):format(record.word, name)
  elseif record then
    return "tg." .. record.word
  end
  local kind = type(value)
  if value == nil then return "nothing" end
  if kind == "string" then
    local text = (#value > 60 and "%q..." or "%q"):format(value:sub(1, 60))
    return (text:gsub("\\\n", "\\n"))
  end
  if kind == "number" or kind == "boolean" then return tostring(value) end
  return "a " .. kind
end

return words
