-- SPDX-License-Identifier: Apache-2.0
--- What the host gives the library, here for plain Lua: calls block, files are below the current
--- folder. A script worker has a C module of this name instead, where a call suspends the attempt.
--- Library code only: no script can reach it.

---@class tidegate.native
local native = {}

---JSON's null, which a Lua table cannot hold otherwise.
native.null = require("tidegate.json").null

local PLACES = {
  module = { "pipelines/%s.lua", "%s.lua" },
  sql = { "pipelines/%s", "%s" },
  contract = { "contracts/%s.yaml" },
  policy = { "pipelines/policies/%s.lua" },
}

---Reads one more source of the project. Only while a bundle is loaded.
---@param kind "module"|"sql"|"contract"|"policy"
---@param name string
---@return string? text
---@return string path or the error
function native.source(kind, name)
  if kind == "module" then name = name:gsub("%.", "/") end
  if ("/" .. name .. "/"):find("/../", 1, true) or name:sub(1, 1) == "/" then
    return nil, ("%s %q is outside of the project"):format(kind, name)
  end
  for _, place in ipairs(PLACES[kind]) do
    local path = place:format(name)
    local file = io.open(path, "rb")
    if file then
      local text = file:read("a")
      file:close()
      return text, path
    end
  end
  return nil, ("there is no file %s"):format(PLACES[kind][1]:format(name))
end

---Tells where a caller stands: level 1 is the caller of the function that calls `where`.
---@param level integer
---@return string at "pipelines/orders.lua:12"
function native.where(level)
  local info = debug.getinfo(level + 2, "Sl")
  if not info then return "?:0" end
  return ("%s:%d"):format(info.source:gsub("^@%.?/?", ""), info.currentline)
end

---Counts the keys of a table; a list is one that has no more than its length.
---@param map table
---@return integer
function native.size(map)
  local count = 0
  for _ in next, map do count = count + 1 end
  return count
end

---@param level "debug"|"info"|"warn"|"error"
---@param text string
function native.log(level, text)
  io.stderr:write(level, " ", text, "\n")
end

---@param done number
---@param total number
function native.progress(done, total)
  io.stderr:write(("%g of %g\n"):format(done, total))
end

---Makes the handle of a secret that the host knows under a name. Here nobody fills it in.
---@param name string
---@return tidegate.Secret
function native.secret(name)
  return setmetatable({ parts = { { secret = true, text = name } } }, {
    __metatable = false, __tostring = function() return "***" end,
  })
end

---Tells the time, in ms since 1970.
---@return integer
function native.now()
  return os.time() * 1000
end

-- A policy has a Lua state of its own; here it has a library of its own.
local function with_own_library(fn, ...)
  local ours = {}
  for name, module in pairs(package.loaded) do
    if name:find("^tidegate") then ours[name] = module end
  end
  for name in pairs(ours) do package.loaded[name] = nil end
  local results = table.pack(pcall(fn, ...))
  for name, module in pairs(ours) do package.loaded[name] = module end
  if not results[1] then
    return nil, { code = "script", class = "permanent", message = results[2] }
  end
  return table.unpack(results, 2, results.n)
end

local function decide(name, input)
  local text, path = native.source("policy", name)
  if not text then error(path, 0) end
  local worker = require "tidegate.worker"
  local description, faults = worker.policy(assert(load(text, "@" .. path, "t"))(), path)
  if not description then
    error(("%s:%d: %s"):format(faults[1].file, faults[1].line, faults[1].message), 0)
  end
  return worker.decide(input)
end

---Asks a policy.
---@param name string
---@param input table
---@return table? output
---@return any err
function native.decide(name, input)
  return with_own_library(decide, name, input)
end

---Gives the output of a task that ran before; plain Lua has no runs.
---@param _ string
---@return any
function native.output(_)
  return nil
end

---@param ms integer
function native.sleep(ms)
  os.execute(("sleep %.3f"):format(ms / 1000))
end

-- The steps of the one task that plain Lua runs, in the order in which they were first come by, and
-- how many of them the attempt has come by.
local steps, step_at = {}, 0

---Begins an attempt: a next one of the same task, or a first one. Plain Lua only.
---@param is_first boolean
function native.begin(is_first)
  if is_first then steps = {} end
  step_at = 0
end

---Says that a step comes now. Where it is new, the intent is recorded before it is told.
---
---Errors: `invalid` where the first attempt came by another step here
---@param name string
---@return "done"|"new"|nil
---@return any value of a step that is done; the error
function native.step(name)
  step_at = step_at + 1
  local one = steps[step_at]
  if not one then
    steps[step_at] = { name = name }
  elseif one.name ~= name then
    return nil, {
      code = "invalid", class = "permanent",
      message = ("step %q was %q in the first attempt"):format(name, one.name),
    }
  elseif one.is_done then
    return "done", one.value
  end
  return "new"
end

---Records what a step gave, durably, before it returns.
---@param name string
---@param value any plain data
---@return true?
---@return any err
function native.step_end(name, value)
  local one = steps[step_at]
  assert(one and one.name == name, "the step that ends is not the one that began")
  one.is_done, one.value = true, value
  return true
end

---Sleeps as a step. In a script worker the attempt may end here; the next one, when the time is
---over, comes by.
---@param name string
---@param ms integer from the first time that the task comes here
---@return true?
---@return any err
function native.sleep_until(name, ms)
  local state, err = native.step(name)
  if not state then return nil, err end
  if state == "done" then return true end
  native.sleep(ms)
  return native.step_end(name)
end

---Waits for an event or a person, as a step. Plain Lua has nobody who would tell it.
---@param name string
---@param what table
---@param timeout_ms integer 0 for none
---@return { value: any, error: table? }?
---@return any err
function native.wait(name, what, timeout_ms) -- luacheck: no unused args
  local state, err = native.step(name)
  if not state then return nil, err end
  return nil, {
    code = "invalid", class = "permanent",
    message = ("plain Lua cannot wait for an %s"):format(what.kind),
  }
end

---Runs another pipeline as a child of this run: always the same child, however often it is asked
---for. Plain Lua has no runs.
---@param pipeline string
---@param params table<string, any>
---@param options { wait: boolean, partition: string? }
---@return { run: string, state: string, outputs: table<string, any> }?
---@return any err
function native.child(pipeline, params, options) -- luacheck: no unused args
  return nil, {
    code = "invalid", class = "permanent",
    message = ("pipeline %q cannot be run by plain Lua"):format(pipeline),
  }
end

return native
