-- SPDX-License-Identifier: Apache-2.0
-- Reads dpkg's files. The database is paragraphs of fields, with an empty line between two; the log
-- has an event a line. Both may end in the middle, where dpkg is still writing or was stopped.
--
-- Source: dpkg(1), "log"; deb-control(5); dpkg's own terms for states
local file = require "tidegate.file"

local dpkg = {}

-- Gives the lines of a file: text, number, and whether it ends with a newline. Only the last one
-- may not, which shows in the size of the file.
function dpkg.lines(path)
  local next_line = file.lines(path)
  local ahead, number, bytes = next_line(), 0, 0
  return function()
    local line = ahead
    if line == nil then return nil end
    ahead, number, bytes = next_line(), number + 1, bytes + #line + 1
    return line, number, ahead ~= nil or bytes <= assert(file.stat(path)).size
  end
end

-- Gives the lines of no file.
function dpkg.nothing() return nil end

-- Gives the paragraphs of a file: text, number of the first line, and whether it is whole.
function dpkg.paragraphs(path)
  local lines = dpkg.lines(path)
  return function()
    local parts, first, is_whole = {}, nil, true
    for line, number, has_newline in lines do
      if line:find("%S") then
        parts[#parts + 1], first, is_whole = line, first or number, has_newline
      elseif first then
        break
      end
    end
    if first then return table.concat(parts, "\n"), first, is_whole end
  end
end

local function text_fault(raw, is_whole)
  if not is_whole then return "half-written: the file ends here, without a newline" end
  if not utf8.len(raw) then return "not UTF-8" end
  if raw:find("[\0-\8\11-\31\127]") then return "control characters" end
end

-- Gives the fields of a paragraph, each with the first line of its value; or nil and what is wrong.
local function fields_of(raw)
  local fields, last = {}, nil
  for line in raw:gmatch("[^\n]+") do
    local name, value = line:match("^([%w-]+):%s*(.*)$")
    if name and fields[name] then return nil, ("the field %s stands twice"):format(name) end
    if name then
      fields[name], last = value:match("^.*%S") or "", name
    elseif not (last and line:find("^[ \t]")) then
      return nil, ("this line is no field: %s"):format(line:sub(1, 80))
    end
  end
  return fields
end

dpkg.PACKAGE_COLUMNS = {
  "package TEXT", "architecture TEXT", "version TEXT", "state TEXT", "section TEXT",
  "priority TEXT", "installed_kib INTEGER", "maintainer TEXT",
}

-- Parses a paragraph of the database; or gives nil and what is wrong with it.
function dpkg.package(raw, is_whole)
  local fault = text_fault(raw, is_whole)
  if fault then return nil, fault end
  local fields, err = fields_of(raw)
  if not fields then return nil, err end
  local state = (fields.Status or ""):match("^%S+ %S+ (%S+)$")
  if not fields.Package then return nil, "there is no Package" end
  if not state then return nil, "Status is not three words" end
  if state == "installed" and not (fields.Version and fields.Architecture) then
    return nil, "installed, but without Version or Architecture"
  end
  local size = fields["Installed-Size"]
  if size and not size:find("^%d+$") then return nil, "Installed-Size is not a number" end
  return {
    package = fields.Package, architecture = fields.Architecture or "none",
    version = fields.Version, state = state, section = fields.Section,
    priority = fields.Priority, installed_kib = size and math.tointeger(tonumber(size)),
    maintainer = fields.Maintainer,
  }
end

dpkg.EVENT_COLUMNS = {
  "at TEXT", "day TEXT", "action TEXT", "package TEXT", "architecture TEXT",
  "version_before TEXT", "version TEXT", "detail TEXT",
}

local function version_of(text)
  return text ~= "<none>" and text or nil
end

-- "libc6:amd64", in older logs "libc6"
local function name_of(text)
  local name, architecture = text:match("^(.+):([^:]+)$")
  return name or text, architecture
end

local function package_event(rest)
  local package, before, version = rest:match("^(%S+) (%S+) (%S+)$")
  if not package then return nil end
  local name, architecture = name_of(package)
  return {
    package = name, architecture = architecture,
    version_before = version_of(before), version = version_of(version),
  }
end

local function status_event(rest)
  local state, package, version = rest:match("^(%S+) (%S+) (%S+)$")
  if not state then return nil end
  local name, architecture = name_of(package)
  return {
    package = name, architecture = architecture, version = version_of(version), detail = state,
  }
end

local function other_event(rest)
  return rest:find("^%S+ %S+") and { detail = rest } or nil
end

-- What stands behind the action of an event.
local EVENTS = {
  install = package_event, upgrade = package_event, configure = package_event,
  trigproc = package_event, disappear = package_event, remove = package_event,
  purge = package_event, status = status_event, startup = other_event, conffile = other_event,
}

-- Parses a line of the log; or gives nil and what is wrong with it.
function dpkg.event(raw, is_whole)
  local fault = text_fault(raw, is_whole)
  if fault then return nil, fault end
  local day, time, action, rest = raw:match("^(%d%d%d%d%-%d%d%-%d%d) (%d%d:%d%d:%d%d) (%S+) (.+)$")
  if not day then return nil, "not a date, a time, an action and more" end
  local event = EVENTS[action] and EVENTS[action](rest)
  if not event then return nil, ("not an event that dpkg(1) tells of: %s"):format(action) end
  event.at, event.day, event.action = day .. "T" .. time, day, action
  return event
end

return dpkg
