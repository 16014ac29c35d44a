-- SPDX-License-Identifier: Apache-2.0
---@meta tidegate.json

--- JSON that keeps 64-bit integers exact and integers and floats apart.
---@class tidegate.json
---@field null lightuserdata what `null` is in Lua; tostring gives "null"
local json = {}

---@class tidegate.json.Options
---@field pretty? boolean indented by two spaces
---@field sort? boolean keys in order of their bytes; true by default

--- An error of `json.decode` says where, if the text has a fault.
---@class tidegate.json.Error: tidegate.Error
---@field line? integer
---@field column? integer in characters
---@field position? integer in bytes from the start

--- Gives the value that a text stands for. Arrays are marked as by `json.array`, so that an empty
--- one is written as `[]` again.
---
--- Errors: `invalid` with line, column and position, also for an integer beyond 64 bits;
---         `limit` for more than 64 MiB, 64 levels or 1,000,000 values
---@param text string
---@return any value
---@return tidegate.json.Error? err
function json.decode(text) end

--- Gives the text for a value. A table is an array if it is marked or its keys are 1..n; `{}`
--- without a mark is an object. Metamethods are not called.
---
--- Errors: `invalid` naming the path (`$.a[3]: a function cannot be encoded`) for functions,
---         userdata, cycles, holes, mixed keys, numbers that are not finite and strings that are
---         not UTF-8; `limit` as for decode
---@param value any
---@param options? tidegate.json.Options
---@return string? text
---@return tidegate.Error? err
function json.encode(value, options) end

--- Marks a table as an array and gives it back; makes one if it gets none.
---
--- Errors: raises for a table that has another metatable
---@generic T: table
---@param t? T
---@return T
function json.array(t) end

return json
