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

---@type table<integer, tidegate.BakedTask|false> odd ones that wait for their place in the pipeline,
--- by the number of the declaration; false where there is too little to go on with
local taken = {}
---@type table<integer, tidegate.Faults> what is wrong with them
local faults_of = {}
local found = faults.new "" -- of the one that is baked; it is the next one's, too, if it stays empty
---@type table<integer, table<string, any>> the baked fields of each shape
local shapes = {}

-- What a usual task has of its own.
local OWN = { name = true, at = true, after = true, run = true }

-- Loaded only where it is needed: what kinds of tasks there are is much, and policies have none.
local function bake() return require "tidegate.pipeline.bake" end

local function take_odd(declaration, body)
  local number = columns.number(declaration)
  taken[number] = bake().task(words.record(declaration), body, found) or false
  if not found:is_empty() then faults_of[number], found = found, faults.new "" end
  return number
end

-- Takes a body that is not like one before. If it says what others could, those are like it.
local function take_new(declaration, body)
  local number = take_odd(declaration, body)
  local shape = not faults_of[number] and columns.share(declaration)
  if not shape then return end
  shapes[shape] = {}
  for field, value in pairs(taken[number]) do
    if not OWN[field] then shapes[shape][field] = value end
  end
  taken[number] = nil
end

-- Makes the table of a usual task of what the columns have.
local function whole(shared, row, shape)
  for field, value in pairs(shapes[shape] or {}) do row[field] = value end
  return row and setmetatable(row, shared)
end

local metatable = columns.metatable
metatable.__metatable = false

local function mistake(declaration, what)
  words.mistake(words.record(declaration).at, words.describe(declaration) .. what)
end

function metatable.__call(self, body)
  if columns.take(self, body) then return self end
  if words.is_sealed() then error("what is declared cannot be called when the pipeline runs", 2) end
  if taken[columns.number(self)] ~= nil or columns.row_of(self) then
    mistake(self, " has two bodies")
  elseif body == nil then
    mistake(self, " has nil where its body should be")
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

---Tells whether a value is a declared task.
---@param value any
---@return boolean
function tasks.is_task(value)
  return columns.number(value) ~= nil
end

--- The tasks of a pipeline by their positions, from 1.
---@class tidegate.Tasks
---@field private columns table the host's
---@field private odd table<integer, tidegate.BakedTask> by position
---@field private order integer[] the positions of odd ones
---@field private is_mixed? boolean they are not in order
---@field private shared table the metatable of usual ones, which has what they were not given
local Tasks = {}
Tasks.__index = Tasks

---Makes an empty list. A file has one pipeline, and so there is one list.
---@param shared table
---@return tidegate.Tasks
function tasks.list(shared)
  return setmetatable({ columns = columns, odd = {}, order = {}, shared = shared }, Tasks)
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
  self:set(self.columns.add(task.name), task)
end

---@private
function Tasks:set(position, task)
  local order = self.order
  if not self.odd[position] then
    self.is_mixed = self.is_mixed or position < (order[#order] or 0)
    order[#order + 1] = position
  end
  self.odd[position] = task
end

---Gives the baked task behind a declaration; what it has to say goes into `into`.
---@param declaration tidegate.Declaration
---@param into tidegate.Faults
---@return tidegate.BakedTask? task nil if there is too little of it to go on with
function Tasks:bake(declaration, into)
  local task = whole(self.shared, self.columns.row_of(declaration))
  if task then return task end
  local number = self.columns.number(declaration)
  if taken[number] == nil then take_odd(declaration, nil) end
  if faults_of[number] then into:take(faults_of[number]) end
  faults_of[number] = nil -- they are told once
  return taken[number] or nil
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
  self:set(position, self:at(position))
  return self.odd[position]
end

---Gives all tasks, so that they can be changed. Groups need that; other rules look at few.
---@return tidegate.BakedTask[]
function Tasks:open_all()
  for position = 1, self.columns.count() do self:set(position, self:at(position)) end
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
  local order, at, count = self.order, 0, #self.order
  if self.is_mixed then table.sort(order) end
  self.is_mixed = nil
  return function() -- what becomes odd meanwhile is not met
    at = at + 1
    if at <= count then return order[at], self.odd[order[at]] end
  end
end

---Goes through all that is said of tasks: the odd ones, and one of each shape.
function Tasks:each_different()
  local shape, first = nil, self.columns.shapes()
  local next_odd = self:each_odd()
  return function()
    if shape ~= false then shape = next(first, shape) or false end
    if shape then return first[shape], self:at(first[shape]) end
    return next_odd()
  end
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
  local body = self.columns.plan(self.odd)
  local position, shape = self.columns.plan_on(body, self.odd, 1)
  while position do
    if self.odd[position] then
      self.columns.plan_put(body, describe(self.odd[position]))
      position = position + 1
    elseif shape then
      local told = describe(whole(self.shared, { name = "", at = "", after = {} }, shape))
      told.name, told.line = nil, nil
      self.columns.plan_shape(shape, told)
    end
    position, shape = self.columns.plan_on(body, self.odd, position)
  end
  return body
end

return tasks
