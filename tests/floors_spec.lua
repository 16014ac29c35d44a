-- SPDX-License-Identifier: Apache-2.0
-- The rules of the tree that no compiler checks: who may include whom (ARCHITECTURE.md, "Floors"),
-- licences, calls that are not to be made, and paths of somebody's machine. Each rule is a function
-- of a file that gives what breaks it; at the end each is shown to find a break.
local lfs = require "lfs"

local FLOORS = {
  [0] = { "base" },
  { "model", "loop", "ipc" },
  { "dag", "retry", "calendar", "store", "warehouse", "files", "http" },
  { "engine" },
  { "script", "worker", "server" },
  { "cli" },
}

local floor_of = {}
for floor = 0, #FLOORS do
  for _, folder in ipairs(FLOORS[floor]) do floor_of[folder] = floor end
end

-- Headers that belong to some folders only.
local HEADERS = {
  ["lua.h"] = { script = true },
  ["lauxlib.h"] = { script = true },
  ["lualib.h"] = { script = true },
  ["uv.h"] = { loop = true, http = true },
}

-- A child is started by loop/spawn.c and nowhere else, and never through a shell.
local CALLS = { "fork", "vfork", "system", "popen" }

-- The folder of this checkout, as a pattern.
local function own_folder()
  local pipe = assert(io.popen "pwd")
  local folder = pipe:read "l"
  pipe:close()
  return (folder:gsub("%p", "%%%0")) .. "/%w"
end

-- Where people keep their checkouts. A path begins where no other path goes on.
local MACHINE = { "/home/%w", "/root/%w", "/Users/%w", "/tmp/%w+/build", own_folder() }

-- What is no part of the tree, though it may stand in it.
local function is_skipped(name)
  return name == ".git" or name == ".tidegate" or name:find "^build" ~= nil or name:find "^%.+$"
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

local function each_file(root, path, visit)
  for name in lfs.dir(root .. "/" .. path) do
    local inner = path == "" and name or path .. "/" .. name
    local mode = not is_skipped(name) and lfs.symlinkattributes(root .. "/" .. inner, "mode")
    if mode == "file" then
      visit(inner, read(root .. "/" .. inner))
    elseif mode == "directory" then
      each_file(root, inner, visit)
    end
  end
end

local function each_line(text)
  local number = 0
  return function(lines)
    number = number + 1
    local line = lines()
    if line then return number, line end
  end, (text .. "\n"):gmatch "(.-)\r?\n"
end

-- C without what its comments and strings say, line for line.
local function code_only(text)
  local function blank(what) return (what:gsub("[^\n]", " ")) end
  return (text:gsub('\\.', "  "):gsub('"[^"\n]*"', blank):gsub("//[^\n]*", blank)
    :gsub("/%*.-%*/", blank))
end

local rules = {}

function rules.floors(path, text, report)
  local folder = path:match "^host/(%w+)/.*%.[ch]$"
  if not folder then return end
  if not floor_of[folder] then return report(1, folder .. " stands on no floor") end
  for number, line in each_line(text) do
    local other = line:match '^%s*#%s*include%s*"([%w_]+)/'
    if other and not floor_of[other] then
      report(number, other .. " stands on no floor")
    elseif other and other ~= folder and floor_of[other] >= floor_of[folder] then
      report(number, folder .. " may not include " .. other)
    end
  end
end

function rules.headers(path, text, report)
  local folder = path:match "^host/(%w+)/.*%.[ch]$"
  if not folder then return end
  for number, line in each_line(text) do
    local header = line:match '^%s*#%s*include%s*[<"]([^>"]+)[>"]'
    local allowed = header and HEADERS[header:match "[^/]+$"]
    if allowed and not allowed[folder] then
      report(number, folder .. " may not include " .. header)
    end
  end
end

function rules.licence(path, text, report)
  if not path:find "%.[ch]$" and not path:find "%.lua$" then return end
  local start = text:gsub("^#![^\n]*\n", ""):match "^[^\n]*"
  if not start:find "^%W+ SPDX%-License%-Identifier: Apache%-2%.0$" then
    report(1, "the first line is no SPDX line")
  end
end

function rules.calls(path, text, report)
  if not path:find "^host/.*%.[ch]$" then return end
  for number, line in each_line(code_only(text)) do
    for _, name in ipairs(CALLS) do
      if line:find("%f[%w_]" .. name .. "%s*%(") then report(number, name .. " is called") end
    end
  end
end

function rules.machine(_, text, report)
  for _, pattern in ipairs(MACHINE) do
    if (" " .. text):find("[^%w_./-]" .. pattern) then
      for number, line in each_line(text) do
        local found = (" " .. line):match("[^%w_./-](" .. pattern .. "[%w_./-]*)")
        if found then report(number, "a path of somebody's machine: " .. found) end
      end
    end
  end
end

-- Gives what breaks a rule in a tree, as "file:line: what".
local function breaks(rule, root)
  local found = {}
  each_file(root, "", function(path, text)
    rule(path, text, function(number, what)
      found[#found + 1] = ("%s:%d: %s"):format(path, number, what)
    end)
  end)
  table.sort(found)
  return found
end

describe("the tree", function()
  it("has each folder include lower floors only", function()
    assert.same({}, breaks(rules.floors, "."))
  end)

  it("has the headers of Lua in script, and those of libuv in loop and http", function()
    assert.same({}, breaks(rules.headers, "."))
  end)

  it("has a licence in every source", function()
    assert.same({}, breaks(rules.licence, "."))
  end)

  it("starts no process but by loop/spawn.c", function()
    assert.same({}, breaks(rules.calls, "."))
  end)

  it("names no path of somebody's machine", function()
    assert.same({}, breaks(rules.machine, "."))
  end)
end)

describe("a break is found:", function()
  local root

  before_each(function()
    root = os.tmpname()
    os.remove(root)
    assert(os.execute(("mkdir %s && cp -r host %s/host"):format(root, root)))
  end)

  after_each(function() os.execute("rm -r " .. root) end)

  -- Adds a line to a copy of a file (or makes one) and gives the breaks of a rule that it makes.
  local function plant(rule, path, line)
    local text = lfs.attributes(root .. "/" .. path) and read(root .. "/" .. path) or ""
    local file = assert(io.open(root .. "/" .. path, "wb"))
    file:write(text, line, "\n")
    file:close()
    local _, newlines = text:gsub("\n", "")
    local found = breaks(rule, root)
    assert.equal(1, #found, table.concat(found, "\n"))
    assert.equal(("%s:%d: "):format(path, newlines + 1), found[1]:match "^.-:%d+: ")
    return found[1]
  end

  it("an include of a higher floor", function()
    plant(rules.floors, "host/base/buf.c", '#include "store/store.h"')
  end)

  it("an include of a sibling", function()
    plant(rules.floors, "host/dag/graph.h", ' # include "retry/policy.h"')
  end)

  it("an include of a folder that nobody knows", function()
    plant(rules.floors, "host/cli/main.c", '#include "misc/misc.h"')
  end)

  it("a folder that nobody knows", function()
    lfs.mkdir(root .. "/host/misc")
    plant(rules.floors, "host/misc/misc.c", "int misc;")
  end)

  it("Lua outside of script, and libuv outside of loop", function()
    plant(rules.headers, "host/engine/engine.c", "#include <lua.h>")
    assert(os.execute(("cp host/engine/engine.c %s/host/engine"):format(root)))
    plant(rules.headers, "host/worker/pool.c", "#include <lua5.4/lauxlib.h>")
    assert(os.execute(("cp host/worker/pool.c %s/host/worker"):format(root)))
    plant(rules.headers, "host/store/store.c", "#include <uv.h>")
  end)

  it("a source without a licence", function()
    plant(rules.licence, "host/base/new.h", "#pragma once")
  end)

  it("a call that starts a process", function()
    plant(rules.calls, "host/loop/proc.c", "void f(void) { g(); system (h); }")
  end)

  it("but no such word in a comment, a string or another name", function()
    local file = assert(io.open(root .. "/host/base/new.c", "wb"))
    file:write('// fork()\n/* system(\n popen( */ char *s = "a \\" fork(";\nint tg_fork(int);\n')
    file:close()
    assert.same({}, breaks(rules.calls, root))
  end)

  it("a path of somebody's machine", function()
    plant(rules.machine, "host/base/buf.c", '// see "/home' .. '/me/tidegate"')
  end)
end)
