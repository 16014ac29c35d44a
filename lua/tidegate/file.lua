-- SPDX-License-Identifier: Apache-2.0
--- Files, below the roots that `files:` in tidegate.yaml allows. A path is absolute or relative to the
--- project. What leaves a root, by `..` or a link, is refused.
---
--- What the world does wrong is returned as nil and an error table; a programmer's mistake raises.
local core = require "tidegate._file"

---@class tidegate.file
local file = {}

---@class tidegate.file.Entry
---@field name string
---@field type "file"|"folder"|"link"|"other"
---@field size integer bytes

---@class tidegate.file.Info
---@field type "file"|"folder"|"other" of what a link leads to
---@field size integer bytes
---@field modified_ms integer since 1970

local function check(value, kind, what)
  if type(value) ~= kind then
    error(("%s is a %s, not a %s"):format(what, type(value), kind), 3)
  end
end

---Reads a whole file.
---
---Errors: nil and an error: `not_found`, `denied`, `limit` (48 MiB, or bytes_max), `io`
---@param path string
---@param bytes_max? integer
---@return string? bytes
---@return tidegate.Error? err
function file.read(path, bytes_max)
  check(path, "string", "file.read: the path")
  return core.read(path, bytes_max)
end

---Gives the lines of a file of any size, one after another, without their "\n".
---
---Errors: the iterator raises an error table: `not_found`, `denied`, `conflict` (the file was
---        replaced meanwhile), `limit` (a line over 1 MiB), `io`
---@param path string
---@return fun(): string?
function file.lines(path)
  check(path, "string", "file.lines: the path")
  local bytes, at = "", 1
  local offset, identity, is_end = 0, 0, false

  local function refill()
    local got, next_offset, id, is_last = core.chunk(path, offset, identity)
    if not got then error(next_offset, 0) end
    bytes, at, offset, identity, is_end = got, 1, next_offset, id, is_last
  end

  return function()
    if at > #bytes and not is_end then refill() end
    if at > #bytes then return nil end
    local newline = bytes:find("\n", at, true) or #bytes + 1
    local line = bytes:sub(at, newline - 1)
    at = newline + 1
    return line
  end
end

---Lists a folder, sorted by name.
---@param path string
---@return tidegate.file.Entry[]? entries
---@return tidegate.Error? err
function file.list(path)
  check(path, "string", "file.list: the path")
  return core.list(path)
end

---Tells what a path is.
---@param path string
---@return tidegate.file.Info? info
---@return tidegate.Error? err
function file.stat(path)
  check(path, "string", "file.stat: the path")
  return core.stat(path)
end

---Writes a file: whole or not at all, durable when it returns. Missing folders are made.
---
---Errors: nil and an error: `denied` below a root that may only be read, `full`, `io`
---@param path string
---@param bytes string
---@return true?
---@return tidegate.Error? err
function file.write(path, bytes)
  check(path, "string", "file.write: the path")
  check(bytes, "string", "file.write: what to write")
  return core.write(path, bytes)
end

---Sets the roots. In plain Lua only; there the default is what the environment variable
---TIDEGATE_FILES names (folders, separated by colons, all of which may be written), else the current
---folder.
---@type fun(roots: { path: string, write?: boolean }[]): true?, tidegate.Error?
file.allow = core.allow

return file
