-- SPDX-License-Identifier: Apache-2.0
--- A project in a folder of its own, with the library freshly loaded: as in a script worker, one Lua
--- state of the library serves one bundle.
local lfs = require "lfs"

local project = {}
project.__index = project

local root = lfs.currentdir()

-- The tests change the current folder, so the search paths must not depend on it.
local function absolute(path)
  return (path:gsub("[^;]+", function(entry)
    return entry:find("^/") and entry or root .. "/" .. entry:gsub("^%./", "")
  end))
end

local function forget_library()
  for name in pairs(package.loaded) do
    if name == "tidegate" or name:find("^tidegate%.") then package.loaded[name] = nil end
  end
end

-- A fresh library, in which what a spec put in the place of the host's functions stays.
local function renew_library()
  local native = package.loaded["tidegate._native"]
  forget_library()
  package.loaded["tidegate._native"] = native
  return require "tidegate.worker"
end

local function write(path, text)
  local folder = path:match("^(.*)/[^/]+$")
  for at in (folder .. "/"):gmatch("()/") do
    if at > 1 then lfs.mkdir(folder:sub(1, at - 1)) end
  end
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

---Reads a file of the tree or, inside a project, of the project.
---@param path string
function project.read(path)
  local handle = assert(io.open(path, "rb"))
  local text = handle:read("a")
  handle:close()
  return text
end

---Gives the files of this repository's own project, so that a spec runs the pipelines that users run.
---@return table<string, string>
function project.own_files()
  local files = {}
  local function add(folder)
    for name in lfs.dir(root .. "/" .. folder) do
      local path = folder .. "/" .. name
      local mode = lfs.attributes(root .. "/" .. path, "mode")
      if mode == "directory" and name ~= "." and name ~= ".." then add(path) end
      if mode == "file" then files[path] = project.read(root .. "/" .. path) end
    end
  end
  add "pipelines"
  add "contracts"
  return files
end

---Makes a project of the given files and enters its folder.
---@param files table<string, string>?
function project.new(files)
  package.path, package.cpath = absolute(package.path), absolute(package.cpath)
  forget_library()
  local dir = os.tmpname()
  os.remove(dir)
  assert(lfs.mkdir(dir))
  for path, text in pairs(files or {}) do write(dir .. "/" .. path, text) end
  assert(lfs.chdir(dir))
  return setmetatable({ dir = dir, worker = renew_library() }, project)
end

local function remove(path)
  if lfs.symlinkattributes(path, "mode") == "directory" then
    for name in lfs.dir(path) do
      if name ~= "." and name ~= ".." then remove(path .. "/" .. name) end
    end
  end
  assert(os.remove(path))
end

---Leaves the folder and removes it.
function project:close()
  forget_library()
  assert(lfs.chdir(root))
  remove(self.dir)
end

---Runs a text as the file pipelines/test.lua and bakes what it returned, in a fresh library.
---@param text string the file, or only the body of a pipeline named "test"
---@return table? plan
---@return table? faults
function project:build(text)
  if text:find("^%s*%a+%s*=") then
    text = 'local tg = require "tidegate" return tg.pipeline "test" {' .. text .. "}"
  elseif not text:find("require", 1, true) then
    text = 'local tg = require "tidegate" ' .. text
  end
  self.worker = renew_library()
  local plan, more =
    self.worker.build(assert(load(text, "@pipelines/test.lua"))(), "pipelines/test.lua")
  if plan then plan.tasks, more = require("tidegate.json").decode(tostring(more)), nil end
  return plan, more
end

---Gives the messages of the faults of a text, with their hints, one a line.
---@return string
function project:faults(text)
  local _, faults = self:build(text)
  local lines = {}
  for i, fault in ipairs(faults or {}) do
    lines[i] = ("%s:%d: %s%s"):format(fault.file, fault.line, fault.message,
      fault.hint and " [" .. fault.hint .. "]" or "")
  end
  return table.concat(lines, "\n")
end

---Runs the task at an index (from 0) of what was built.
---@param index integer
---@param data table? of the context
function project:run(index, data)
  local context = {
    run = "01900000-0000-7000-8000-000000000000", pipeline = "test", task = "t", attempt = 1,
    key = "key", params = {}, logical_date = "2026-11-20T05:00:00.000Z",
    now = "2026-11-20T05:00:01.000Z", output = {}, states = {},
    interval = { start = "2026-11-19T05:00:00.000Z", ["end"] = "2026-11-20T05:00:00.000Z" },
  }
  for name, value in pairs(data or {}) do context[name] = value end
  return self.worker.run(index, context)
end

-- Tells whether a task runs: no branch left it out, and nothing before it was left out.
local function is_chosen(plan, task, chosen, skipped)
  for _, index in ipairs(task.after or {}) do
    local upstream = plan.tasks[index + 1].name
    if skipped[upstream] or (chosen[upstream] and chosen[upstream][task.name] == false) then
      return false
    end
  end
  return true
end

local function left_out(plan, branch, facts)
  local names = {}
  for _, index in ipairs(branch.to) do names[plan.tasks[index + 1].name] = false end
  for _, name in ipairs(facts.chosen) do names[name] = true end
  return names
end

-- Runs a command as the host does, as far as these pipelines need it: a text for the shell, whose
-- last line is JSON.
local function run_command(command)
  assert(command.shell and command.output == "json")
  local pipe = assert(io.popen(command.argv[1]))
  local text = pipe:read("a")
  assert(pipe:close())
  return assert(require("tidegate.json").decode(text:match("[^\n]*\n?$")))
end

---Runs every task of a plan, in an order that the plan has already; raises where one fails.
---@param plan table
---@param data table? of every context
---@return table<string, any> outputs by task; a task that was left out has none
function project:run_all(plan, data)
  local outputs, chosen, skipped = {}, {}, {}
  require("tidegate._native").output = function(name) return outputs[name] end
  for i, task in ipairs(plan.tasks) do
    if is_chosen(plan, task, chosen, skipped) then
      local context = { task = task.name, output = outputs }
      for name, value in pairs(data or {}) do context[name] = value end
      local value, facts
      if task.command then
        value = run_command(task.command)
      else
        value, facts = self:run(i - 1, context)
      end
      if value == nil then error(task.name .. ": " .. tostring(facts.message or facts), 0) end
      outputs[task.name] = value
      if task.to then chosen[task.name] = left_out(plan, task, facts) end
    else
      skipped[task.name] = true
    end
  end
  return outputs
end

return project
