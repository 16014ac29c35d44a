-- SPDX-License-Identifier: Apache-2.0
--- The tasks of a file. A file may declare a million of them, and most are usual: a tg.task with a
--- function, with what it comes after, and beside that with what others say too. Those are kept in
--- columns by the host (host/script/declared.h), and what they have in common once, as a shape; they
--- are made tables only where somebody has to look at one. A task of another kind, or with functions
--- among its fields, is odd: it is baked into a table when its body comes.
---
--- What a word is given is taken at once. So a table that a script uses for many tasks, and changes
--- in between, says of each task what it said when it was given.
local columns = require "tidegate._tasks"
local faults = require "tidegate.faults"
local words = require "tidegate.pipeline.words"

local tasks = {}

---@class tidegate.Taken an odd task that waits for its place in the pipeline
---@field task tidegate.BakedTask? nil if it has faults that leave nothing to go on with
---@field faults tidegate.Faults

---@type table<integer, tidegate.Taken> by the number of the declaration
local taken = {}
---@type table<integer, table<string, any>> the baked fields of each shape
local shapes = {}

-- What a usual task has of its own.
local OWN = { name = true, at = true, after = true, run = true }

-- Loaded only where it is needed: what kinds of tasks there are is much, and policies have none.
local function bake() return require "tidegate.pipeline.bake" end

local function take_odd(declaration, body)
  local into = faults.new("")
  local task = bake().task(words.record(declaration), body, into)
  local one = { task = task, faults = into }
  taken[columns.number(declaration)] = one
  return one
end

-- Takes a body that is not like one before. If it says what others could, those are like it.
local function take_new(declaration, body)
  local one = take_odd(declaration, body)
  local shape = one.faults:is_empty() and columns.share(declaration)
  if not shape then return end
  taken[columns.number(declaration)], shapes[shape] = nil, {}
  for field, value in pairs(one.task) do
    if not OWN[field] then shapes[shape][field] = value end
  end
end

-- Makes the table of a usual task of what the columns have.
local function whole(shared, row, shape)
  for field, value in pairs(shapes[shape] or {}) do row[field] = value end
  return row and setmetatable(row, shared)
end

local metatable = columns.metatable
metatable.__metatable = false

function metatable.__call(self, body)
  if columns.take(self, body) then return self end
  if words.is_sealed() then error("what is declared cannot be called when the pipeline runs", 2) end
  local at = words.record(self).at
  if taken[columns.number(self)] or columns.row_of(self) then
    words.mistake(at, words.describe(self) .. " has two bodies")
  elseif body == nil then
    words.mistake(at, words.describe(self) .. " has nil where its body should be")
  else
    take_new(self, body)
  end
  return self
end

function metatable.__index(self)
  error(words.describe(self) .. " is only declared: it has no fields to read", 2)
end

function metatable.__newindex(self)
  error(words.describe(self) .. " cannot be changed once it is declared", 2)
end

function metatable.__tostring(self)
  return words.describe(self)
end

---Makes the word of a kind of tasks: tg.task "bronze" { ... }
---@param word string
---@return fun(name: string): tidegate.Declaration
function tasks.word(word)
  return columns.word(word)
end

--- The tasks of a pipeline by their positions, from 1.
---@class tidegate.Tasks
---@field private columns table the host's
---@field private odd table<integer, tidegate.BakedTask> by position
---@field private shared table the metatable of usual ones, which has what they were not given
local Tasks = {}
Tasks.__index = Tasks

---Makes an empty list. A file has one pipeline, and so there is one list.
---@param shared table
---@return tidegate.Tasks
function tasks.list(shared)
  return setmetatable({ columns = columns, odd = {}, shared = shared }, Tasks)
end

---Adds what stands in a script's list from a place on, as long as it is usual tasks.
---@param list any[]
---@param from integer
---@return integer place the first that is not one of them; behind the list's end if all were
function Tasks:take_usual(list, from)
  return self.columns.list(list, from)
end

---Adds a baked task.
---@param task tidegate.BakedTask
function Tasks:add(task)
  self.odd[self.columns.add(task.name)] = task
end

---Gives the baked task behind a declaration; what it has to say goes into `into`.
---@param declaration tidegate.Declaration
---@param into tidegate.Faults
---@return tidegate.BakedTask? task nil if there is too little of it to go on with
function Tasks:bake(declaration, into)
  local task = whole(self.shared, self.columns.row_of(declaration))
  if task then return task end
  local one = taken[self.columns.number(declaration)] or take_odd(declaration, nil)
  into:take(one.faults)
  one.faults = faults.new("") -- they are told once
  return one.task
end

---@return integer
function Tasks:count()
  return self.columns.count()
end

---Gives the task at a position. A usual one is made for the caller: what he changes in it is lost.
---@param position integer
---@return tidegate.BakedTask
function Tasks:at(position)
  return self.odd[position] or whole(self.shared, self.columns.row(position))
end

---Gives a task by its name, so that it can be changed.
---@param name string
---@return tidegate.BakedTask?
function Tasks:open(name)
  local position = self.columns.find(name)
  if not position then return nil end
  self.odd[position] = self:at(position)
  return self.odd[position]
end

---Gives all tasks, so that they can be changed. Groups need that; other rules look at few.
---@return tidegate.BakedTask[]
function Tasks:open_all()
  for position = 1, self.columns.count() do self.odd[position] = self:at(position) end
  return self.odd
end

---Goes through all tasks: for position, task in tasks:each()
function Tasks:each()
  return function(_, position)
    if position < self.columns.count() then return position + 1, self:at(position + 1) end
  end, nil, 0
end

---Goes through those that say more than a usual task, in the order of the pipeline.
function Tasks:each_odd()
  local positions, at = {}, 0
  for position in pairs(self.odd) do positions[#positions + 1] = position end
  table.sort(positions)
  return function()
    at = at + 1
    if positions[at] then return positions[at], self.odd[positions[at]] end
  end
end

---Goes through all that is said of tasks: the odd ones, and one of each shape.
function Tasks:each_different()
  local list = {}
  for _, position in pairs(self.columns.shapes()) do
    if not self.odd[position] then list[#list + 1] = self:at(position) end
  end
  for _, task in self:each_odd() do list[#list + 1] = task end
  return ipairs(list)
end

---@param name string
---@return integer? position
function Tasks:find(name)
  return self.columns.find(name)
end

---Gives the names of all tasks in their order, for hints.
---@return string[]
function Tasks:names()
  local names = {}
  for position = 1, self.columns.count() do names[position] = self.columns.name(position) end
  return names
end

---Tells whether a graph can be made of them: each name stands for one task, `after` names only
---others, and none waits for itself.
---@return boolean
---@return string? err what it is if not names
function Tasks:check_graph()
  return self.columns.check(self.odd)
end

---Tells whether the task at `second` waits for that at `first`, directly or not.
---@param first integer
---@param second integer
---@return boolean
function Tasks:is_before(first, second)
  return self.columns.is_before(self.odd, first, second)
end

---Writes the tasks as JSON, in a graph that was checked.
---@param describe fun(task: tidegate.BakedTask): table of an odd one
---@return userdata json of which tostring gives the text
function Tasks:plan(describe)
  return self.columns.plan(self.odd, describe, function(shape)
    local told = describe(whole(self.shared, { name = "", at = "", after = {} }, shape))
    told.name, told.line = nil, nil
    return told
  end)
end

return tasks
