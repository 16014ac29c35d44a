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

return native
