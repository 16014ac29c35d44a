-- SPDX-License-Identifier: Apache-2.0
---@meta tidegate.store

--- The key-value state of a pipeline: cursors, counters, what was done last. Values are plain data
--- (nil, booleans, numbers, strings and tables of them). A change is durable when the call returns.
--- In a script the host does the work and the task waits; in plain Lua the call blocks.
local store = {}

---@class tidegate.store.PutOptions
---@field ttl? string how long it is kept, "1h"; for ever by default

---@class tidegate.store.ListOptions
---@field limit? integer 1000 by default, 10000 at most

---@class tidegate.store.Entry
---@field key string
---@field value any
---@field version integer

--- Gives a value and its version, which grows with each change; nil if there is none.
---
--- Errors: nil and an error when the store fails; raises for a key that is empty or too long
---@param key string at most 512 bytes
---@return any value
---@return integer|tidegate.Error version_or_err
function store.get(key) end

--- Keeps a value.
---
--- Errors: nil and an error when the store fails; raises for a value that is not plain data or has
---         more than 1 MiB as JSON
---@param key string
---@param value any not nil
---@param options? tidegate.store.PutOptions
---@return boolean? done
---@return tidegate.Error? err
function store.put(key, value, options) end

--- Removes a key and tells whether it was there.
---@param key string
---@return boolean? was_there
---@return tidegate.Error? err
function store.delete(key) end

--- Gives the entries whose keys begin with `prefix`, in the order of the keys.
---@param prefix string "" for all
---@param options? tidegate.store.ListOptions
---@return tidegate.store.Entry[]? entries
---@return tidegate.Error? err
function store.list(prefix, options) end

--- Compares and sets: keeps `value` only if the key has the value `expected` (nil: is not there).
---
--- Shape:  -> true | false and the value that is there
---@param key string
---@param expected any
---@param value any not nil
---@param options? tidegate.store.PutOptions
---@return boolean? swapped
---@return any current_or_err
function store.cas(key, expected, value, options) end

---@class tidegate.store.OpenOptions
---@field path string the data folder
---@field pipeline? string whose state it is, "lua" by default

--- Opens the store of a data folder; in plain Lua only. Without it TIDEGATE_DATA or .tidegate is
--- opened at the first use.
---
--- Errors: nil and an error, "busy" when a host holds the folder
---@param options tidegate.store.OpenOptions
---@return boolean? done
---@return tidegate.Error? err
function store.open(options) end

return store
