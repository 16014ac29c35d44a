-- SPDX-License-Identifier: Apache-2.0
--- A user's project in a folder of its own, and the real binary run on it. The binary is that of the
--- build folder which TIDEGATE_BUILD names ("build" without it).
local cjson = require "cjson"
local lfs = require "lfs"

local project = {}
project.__index = project

local root = lfs.currentdir()
local build = os.getenv "TIDEGATE_BUILD" or "build"
if not build:find("^/") then build = root .. "/" .. build end

-- No test decides by time; this only keeps a hang from lasting for ever.
local WATCHDOG_SECONDS = 100

---The binary, and what else the tests need of the build folder.
project.binary = build .. "/tidegate"
project.http_server = build .. "/tests/support/tests_http_server"

local function quote(text)
  return "'" .. tostring(text):gsub("'", "'\\''") .. "'"
end

project.quote = quote

---Reads a whole file; nil if there is none.
---@param path string
---@return string?
function project.read_file(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return text
end

---Runs a shell command: its exit code (128 + n for a signal) and what it wrote to stdout.
---@param command string
---@return integer code
---@return string out
function project.shell(command)
  local pipe = assert(io.popen(command, "r"))
  local out = pipe:read "a"
  local _, how, code = pipe:close()
  return how == "signal" and 128 + code or code, out
end

---Makes a project of the given files. A tidegate.yaml that allows the folder "files" is there unless
---it is given.
---@param files table<string, string>?
function project.new(files)
  local dir = os.tmpname()
  os.remove(dir)
  local self = setmetatable({ dir = dir, calls = 0 }, project)
  assert(lfs.mkdir(dir))
  assert(lfs.mkdir(dir .. "/files"))
  self:write("tidegate.yaml", "name: test\nfiles:\n  - { path: files, write: true }\n")
  for path, text in pairs(files or {}) do self:write(path, text) end
  return self
end

---Makes a project of one pipeline "p" whose tasks are given as Lua text.
---@param tasks string
---@param fields string? other fields of the pipeline
function project.of(tasks, fields)
  local self = project.new()
  self:pipeline("p", tasks, fields)
  return self
end

---Writes a file of the project.
---@param path string
---@param text string
function project:write(path, text)
  local full = self.dir .. "/" .. path
  local at = full:match("^(.*)/")
  for i in (at .. "/"):gmatch("()/") do
    if i > 1 then lfs.mkdir(full:sub(1, i - 1)) end
  end
  local file = assert(io.open(full, "wb"))
  file:write(text)
  file:close()
end

---Writes a pipeline; its tasks are given as Lua text.
---@param name string
---@param tasks string
---@param fields string?
function project:pipeline(name, tasks, fields)
  self:write("pipelines/" .. name .. ".lua", ([[
local tg = require "tidegate"
return tg.pipeline %q {
  %s
  tasks = {
%s
  },
}
]]):format(name, fields or "", tasks))
end

---Reads a file of the project.
---@param path string
---@return string?
function project:read(path) return project.read_file(self.dir .. "/" .. path) end

---The lines that tasks appended to a file.
---@param path string
---@return string[]
function project:lines(path)
  local lines = {}
  for line in (self:read(path) or ""):gmatch("[^\n]+") do lines[#lines + 1] = line end
  return lines
end

---@class tests.Call
---@field env? table<string, string> beside an empty environment with PATH and HOME
---@field before? string shell text in front of the command: "ulimit -f 10;"
---@field wrap? string a command that runs ours: "valgrind -q"
---@field binary? string
---@field cwd? string

local function environment(given)
  local words = { "env -i PATH=\"$PATH\" HOME=\"$HOME\" LANG=C.UTF-8" }
  for name, value in pairs(given or {}) do words[#words + 1] = name .. "=" .. quote(value) end
  return table.concat(words, " ")
end

---Gives the shell command that runs tidegate with some arguments.
---@param arguments string[]
---@param call tests.Call?
---@return string
function project.command(arguments, call)
  call = call or {}
  local words = { environment(call.env), call.wrap or "", quote(call.binary or project.binary) }
  for _, argument in ipairs(arguments) do words[#words + 1] = quote(argument) end
  return table.concat(words, " ")
end

---Runs tidegate in the project's folder and gives { code =, out =, err = }.
---@param arguments string[]
---@param call tests.Call?
function project:call(arguments, call)
  call = call or {}
  self.calls = self.calls + 1
  local out, err = self.dir .. "/.stdout", self.dir .. "/.stderr"
  local code = project.shell(("cd %s && { %s timeout -k 10 %d %s; } >%s 2>%s </dev/null"):format(
    quote(call.cwd or self.dir), call.before or "", WATCHDOG_SECONDS,
    project.command(arguments, call), quote(out), quote(err)))
  local result = { code = code, out = project.read_file(out), err = project.read_file(err) }
  assert(code ~= 124 and code ~= 137, "tidegate did not end: " .. table.concat(arguments, " ") ..
    "\n" .. result.err)
  return result
end

---Does the same with the arguments one by one: box:tidegate("run", "p").
function project:tidegate(...)
  return self:call { ... }
end

local function no_null(value)
  if value == cjson.null then return nil end
  if type(value) ~= "table" then return value end
  local copy = {}
  for key, item in pairs(value) do copy[key] = no_null(item) end
  return copy
end

---Decodes JSON; nulls are left out.
---@param text string
function project.json(text)
  local ok, value = pcall(cjson.decode, text)
  assert(ok, ("this is not JSON: %q"):format(text))
  return no_null(value)
end

---Runs tidegate with "-o json" and gives the document, and the result as of call.
function project:document(...)
  local result = self:call { "-o", "json", ... }
  return project.json(result.out), result
end

---Runs a pipeline: its run of the JSON output with `state` and `errors` by task, and the result as
---of call.
---@param arguments string[]? behind "run"
---@param call tests.Call?
function project:run(arguments, call)
  local given = table.move(arguments or { "p" }, 1, #(arguments or { "p" }), 4,
    { "-o", "json", "run" })
  local result = self:call(given, call)
  if result.out == "" then
    error(("no output; code %d; stderr: %s"):format(result.code, result.err), 2)
  end
  local run = project.json(result.out).run
  run.states, run.by_name = {}, {}
  for _, task in ipairs(run.tasks) do
    run.states[task.name], run.by_name[task.name] = task.state, task
  end
  return run, result
end

---Asks a database of the project's data folder.
---@param query string
---@param database string? "state.db" by default
---@return string
function project:sql(query, database)
  local code, out = project.shell(("sqlite3 -batch %s %s 2>&1"):format(
    quote(self.dir .. "/.tidegate/" .. (database or "state.db")), quote(query)))
  assert(code == 0, out)
  return (out:gsub("\n$", ""))
end

---Starts an HTTP server, which ends with the project or once there is a file files/over.
---@return string port
function project:serve()
  project.shell(([[cd %s && mkfifo files/stop && { %s <files/stop >files/port & }
    exec 9>files/stop
    (while test -d files && ! test -e files/over; do sleep 0.02; done) >/dev/null 2>&1 &
    while ! test -s files/port; do sleep 0.01; done]])
    :format(quote(self.dir), quote(project.http_server)))
  return (self:read("files/port"):match "%d+")
end

---Removes the project.
function project:close()
  project.shell("chmod -R u+rwx " .. quote(self.dir) .. " 2>&1; rm -rf " .. quote(self.dir))
end

return project
