-- SPDX-License-Identifier: Apache-2.0
--- tg.group: tasks that belong together. A group is a name and no more: its tasks stand among the
--- others of the pipeline as "group.task", and what is said of the group is meant for its tasks.
---
---   a task after a group   waits for the group's leaves: what no other task of the group waits for.
---                          Teardowns are not among them, as what comes next need not wait for one.
---   after, when of a group are those of its roots: what waits for no other task of the group
---   a branch to a group    leads to its roots
---
--- Inside a group a name means the task or group of that name in the group itself, or else in the
--- group around it, and so on out to the pipeline.
local plain = require "tidegate.plain"
local schema = require "tidegate.pipeline.schema"
local suggest = require "tidegate.suggest"
local trigger_rules = require "tidegate.pipeline.trigger_rules"

local group = {}

--- Where tasks stand: a group, or the pipeline itself, which has no path.
---@class tidegate.Scope
---@field all tidegate.Group[] the groups of the pipeline, each after the one around it
---@field path string?

---@class tidegate.Group: tidegate.Scope
---@field word "group"
---@field name string the same as its path: "extract.files"
---@field path string
---@field at string
---@field scope tidegate.Scope where it stands itself
---@field after string[]
---@field when string?
---@field tasks any the list that the script gave
---@field members tidegate.BakedTask[] those of the groups inside it included
---@field roots tidegate.BakedTask[]

local NAME_BYTES_MAX = 128 -- as TG_NAME_BYTES_MAX in host/base/limits.h

local GROUP = {
  after = { schema.strings, default = {} },
  when = { schema.enum(trigger_rules) },
  doc = { schema.string, default = "" },
  tasks = { function(value) return value end, required = true },
}

---Makes the scope of a pipeline's own tasks.
---@return tidegate.Scope
function group.top()
  return { all = {} }
end

---Gives the name that a task or group has in the whole pipeline.
---@param scope tidegate.Scope
---@param name string
---@param report tidegate.Report
---@return string
function group.full_name(scope, name, report)
  if not scope.path then return name end
  local full = scope.path .. "." .. name
  if #full > NAME_BYTES_MAX then
    report(("its name with those of its groups, %q, is longer than %d bytes"):format(
      full, NAME_BYTES_MAX))
  end
  return full
end

---Bakes a group; its tasks are the caller's to bake. Nil if there is too little of it to go on with.
---@param record tidegate.Record
---@param scope tidegate.Scope where it stands
---@param faults tidegate.Faults
---@return tidegate.Group?
function group.bake(record, scope, faults)
  if type(record.name) ~= "string" then
    faults:add(record.at, "tg.group needs a name first", 'tg.group "name" { tasks = { ... } }')
    return nil
  end
  local report = faults:reporter(record.at, ("group %q"):format(record.name))
  schema.name(record.name, report, "its name")
  if type(record.body) ~= "table" then
    report("has no body", ('tg.group %q { tasks = { ... } }'):format(record.name))
    return nil
  end
  local one = schema.check(record.body, GROUP, report)
  one.word, one.at, one.scope, one.all = "group", record.at, scope, scope.all
  one.path = group.full_name(scope, record.name, report)
  one.name, one.members, one.links = one.path, {}, {}
  scope.all[#scope.all + 1] = one
  return one
end

-- Tells whether a task or a group is inside of a group.
local function is_inside(entity, outer)
  local scope = entity.scope
  while scope do
    if scope == outer then return true end
    scope = scope.scope
  end
  return false
end

-- Finds what a name means for a task or group. A name that is its own means another one further out,
-- if there is one.
local function find(known, entity, name)
  local scope, own = entity.scope, nil
  while scope and scope.path do
    local found = known[scope.path .. "." .. name]
    if found and found ~= entity then return found end
    own, scope = own or found, scope.scope
  end
  return known[name] or own
end

-- The names by which a task or group can mean others, for hints.
local function visible_names(known, entity)
  local names, prefix = {}, entity.scope and entity.scope.path and entity.scope.path .. "."
  for _, name in ipairs(plain.keys(known)) do
    local is_near = prefix and name:sub(1, #prefix) == prefix
    names[#names + 1] = is_near and name:sub(#prefix + 1) or name
  end
  return names
end

local function report_of(entity, faults)
  return faults:reporter(entity.at, ("%s %q"):format(entity.word, entity.name))
end

-- Everything that has a name, by its full name.
local function index(tasks, groups, faults)
  local known = {}
  for _, task in ipairs(tasks) do known[task.name] = known[task.name] or task end
  for _, one in ipairs(groups) do
    local first = known[one.name]
    if first then
      local file, line = faults.place(first.at, faults.path)
      report_of(one, faults)(("this name is taken by the %s at %s:%d"):format(
        first.word, file, line))
    end
    known[one.name] = first or one
  end
  return known
end

local function collect_members(tasks, groups, faults)
  for _, task in ipairs(tasks) do
    local scope = task.scope
    while scope and scope.path do
      scope.members[#scope.members + 1] = task
      scope = scope.scope
    end
  end
  for _, one in ipairs(groups) do
    if #one.members == 0 and faults:is_empty() then
      report_of(one, faults)("it has no tasks", "tasks = { ... }")
    end
  end
end

-- Finds what a name in a field means; nil, with a fault, where it means nothing that can be meant.
local function look_up(known, entity, name, field, faults)
  local found = find(known, entity, name)
  local report = report_of(entity, faults)
  if not found then
    report(("%s names %q, which is no task or group of this pipeline"):format(field, name),
      suggest.hint(name, visible_names(known, entity)))
  elseif found == entity and found.word == "group" then
    report(("%s names %q, the group itself"):format(field, name))
    found = nil
  elseif is_inside(entity, found) then
    report(("%s names %q, the group it is in"):format(field, name))
    found = nil
  elseif is_inside(found, entity) then
    report(("%s names %q, which is inside of it"):format(field, name))
    found = nil
  end
  return found
end

-- What each task and group waits for, as tasks and groups in place of names. A branch is waited for
-- by what it leads to.
local function link(tasks, groups, known, faults)
  local function link_after(entity)
    entity.links = {}
    for _, name in ipairs(entity.after) do
      entity.links[#entity.links + 1] = look_up(known, entity, name, "after", faults)
    end
  end
  for _, task in ipairs(tasks) do link_after(task) end
  for _, one in ipairs(groups) do link_after(one) end
  for _, branch in ipairs(tasks) do
    for _, name in ipairs(branch.to or {}) do
      local target = look_up(known, branch, name, "to", faults)
      if target then target.links[#target.links + 1] = branch end
    end
  end
end

local function waits_within(task, one)
  for _, upstream in ipairs(task.links) do
    if is_inside(upstream, one) then return true end
  end
  return false
end

-- Hands what is said of a group on to its roots. A root's own `when` is nearer to it than its
-- group's, and a teardown has one of its own in any case.
local function link_roots(one)
  one.roots = {}
  for _, task in ipairs(one.members) do
    if not waits_within(task, one) then one.roots[#one.roots + 1] = task end
  end
  for _, task in ipairs(one.roots) do
    table.move(one.links, 1, #one.links, #task.links + 1, task.links)
    if one.when and not rawget(task, "when") then task.when = one.when end
  end
end

local function leaves_of(one)
  local waited_for, leaves, all = {}, {}, {}
  for _, task in ipairs(one.members) do
    for _, upstream in ipairs(task.teardown and {} or task.links) do
      for _, member in ipairs(upstream.members or { upstream }) do waited_for[member] = true end
    end
  end
  for _, task in ipairs(one.members) do
    if not waited_for[task] then
      all[#all + 1] = task
      if not task.teardown and not task.is_spare then leaves[#leaves + 1] = task end
    end
  end
  return #leaves > 0 and leaves or all
end

-- Makes a list of tasks' names of a list of tasks and groups, without repeats.
local function flatten(entities, tasks_of)
  local names, seen = {}, {}
  for _, entity in ipairs(entities) do
    for _, task in ipairs(entity.word == "group" and tasks_of(entity) or { entity }) do
      if not seen[task.name] then names[#names + 1], seen[task.name] = task.name, true end
    end
  end
  return names
end

local function roots_of(one) return one.roots end

-- A branch goes on by the names that the script wrote; they stand for these tasks.
local function name_targets(branch, known)
  local all, targets = {}, {}
  for _, name in ipairs(branch.to) do
    local found = find(known, branch, name)
    targets[name] = found and flatten({ found }, roots_of) or { name }
    all[#all + 1] = found
  end
  branch.to, branch.targets = flatten(all, roots_of), targets
end

-- A task that stands in for another one is no end of its group, for that one is.
local function name_spares(tasks, known)
  for _, task in ipairs(tasks) do
    local spare = type(task.fallback) == "string" and find(known, task, task.fallback)
    if spare then task.fallback, spare.is_spare = spare.name, true end
  end
end

---Puts the names of tasks in the place of names of groups and of names that groups cut short. To be
---done once all tasks are baked; without groups there is nothing to do.
---@param pipeline tidegate.Pipeline
---@param top tidegate.Scope
---@param faults tidegate.Faults
function group.resolve(pipeline, top, faults)
  local groups = top.all
  if #groups == 0 then return end
  local tasks = pipeline.tasks:open_all()
  local known = index(tasks, groups, faults)
  pipeline.known = known
  collect_members(tasks, groups, faults)
  link(tasks, groups, known, faults)
  name_spares(tasks, known)
  for i = #groups, 1, -1 do link_roots(groups[i]) end -- the inner ones first
  local leaves = setmetatable({}, {
    __index = function(self, one)
      self[one] = leaves_of(one)
      return self[one]
    end,
  })
  for _, task in ipairs(tasks) do
    task.after = flatten(task.links, function(one) return leaves[one] end)
    if task.to then name_targets(task, known) end
    local over = task.over and find(known, task, task.over)
    if over then task.over = over.name end
  end
  for _, task in ipairs(tasks) do task.links = nil end
end

---Gives the full name of the task that a name means inside of a task's functions.
---@param pipeline tidegate.Pipeline
---@param task tidegate.BakedTask
---@param name any
---@return any
function group.meant(pipeline, task, name)
  if not task.scope or type(name) ~= "string" then return name end
  local found = find(pipeline.known, task, name)
  return found and found.word ~= "group" and found.name or name
end

return group
