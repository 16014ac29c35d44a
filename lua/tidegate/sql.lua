-- SPDX-License-Identifier: Apache-2.0
--- SQL on the embedded warehouse, or on a named connection.
---
--- What the world does wrong is returned as nil and an error table; a programmer's mistake, such as
--- a parameter that is a function, raises. NULL in a result is an absent field; NULL as a parameter
--- or in a row to load is `sql.null` (which is also `json.null`).
local core = require "tidegate._sql"
local suggest = require "tidegate.suggest"

---@alias tidegate.sql.Value string|number|boolean|lightuserdata
---@alias tidegate.sql.Params tidegate.sql.Value[]|table<string, tidegate.sql.Value>
---@alias tidegate.sql.Row table<string, string|number>

---@class tidegate.sql.LoadOptions
---@field columns? string[] the columns, needed for rows that are lists; else the union of the keys
---@field types? table<string, string> types for columns of a table that is made ("INTEGER")
---@field replace? boolean delete the table's rows first

---@class tidegate.sql.CsvOptions
---@field header? boolean the first record names the columns; true by default
---@field columns? string[] the columns' names in their order, in place of the header's
---@field types? table<string, string>
---@field replace? boolean delete the rows of the table, and of the quarantine, first
---@field delimiter? string one character, "," by default
---@field quote? string one character, '"' by default; "" for none
---@field null? string an unquoted field with this text is NULL; "" by default
---@field quarantine? string the table for bad rows (line, raw, reason); else the first one is an error

local LOAD_OPTIONS = { columns = "table", types = "table", replace = "boolean" }
local CSV_OPTIONS = {
  header = "boolean", columns = "table", types = "table", replace = "boolean",
  delimiter = "string", quote = "string", null = "string", quarantine = "string",
}

local function sorted_keys(map)
  local keys = {}
  for key in pairs(map) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

-- Raises at the line that called the public function.
local function check(value, kind, what)
  if type(value) ~= kind then
    error(("%s is a %s, not a %s"):format(what, type(value), kind), 3)
  end
end

local function check_options(options, known, what)
  if options == nil then return {} end
  if type(options) ~= "table" then
    error(("%s: the options are a %s, not a table"):format(what, type(options)), 3)
  end
  for name, value in pairs(options) do
    local kind = known[name]
    if not kind then
      local hint = suggest.hint(name, sorted_keys(known))
      error(("%s: there is no option '%s'%s"):format(what, tostring(name),
        hint and "; " .. hint or ""), 3)
    elseif type(value) ~= kind then
      error(("%s: the option '%s' is a %s, not a %s"):format(what, name, type(value), kind), 3)
    end
  end
  return options
end

-- Gives the columns of rows that are tables by name, or nil for rows that are lists.
local function keys_of(rows)
  local seen, is_keyed, is_list = {}, false, false
  for i, row in ipairs(rows) do
    if type(row) ~= "table" then error(("sql.load: row %d is a %s"):format(i, type(row)), 4) end
    for key in pairs(row) do
      if type(key) == "string" then is_keyed = true else is_list = true end
      seen[key] = true
    end
  end
  if is_keyed and is_list then
    error("sql.load: rows are lists, or tables by column, not both", 4)
  end
  return not is_list and sorted_keys(seen) or nil
end

local function check_known(keys, columns)
  local known = {}
  for _, column in ipairs(columns) do known[column] = true end
  for _, key in ipairs(keys) do
    if not known[key] then
      error(("sql.load: a row has '%s', which is not among options.columns"):format(key), 4)
    end
  end
end

local function load_columns(rows, options)
  local keys = keys_of(rows)
  if not keys and not options.columns then
    error("sql.load: rows that are lists need options.columns", 3)
  end
  if keys and options.columns then check_known(keys, options.columns) end
  return options.columns or keys, keys ~= nil
end

-- Makes the functions of one connection; "" is the warehouse.
local function connect(name)
  ---@class tidegate.sql.Connection
  local self = { null = core.null }

  ---Runs one statement or several. Several are one unit: all or nothing.
  ---
  ---Shape:  a text and parameters ({ 1, "a" } for ?, { day = "..." } for :day) -> { changes = n }
  ---Errors: nil and an error with line and column: `sql`, `denied` (BEGIN, ATTACH, ...), `timeout`,
  ---        `busy`, `full`, `damaged`
  ---@param statement string
  ---@param params? tidegate.sql.Params
  ---@return { changes: integer }? result
  ---@return tidegate.Error? err
  function self.exec(statement, params)
    check(statement, "string", "sql.exec: the statement")
    return core.exec(name, statement, params)
  end

  ---Runs one statement and gives its rows. Columns of the same name get ":1", ":2".
  ---
  ---Errors: as exec; `limit` for more rows or bytes than fit
  ---@param statement string
  ---@param params? tidegate.sql.Params
  ---@return tidegate.sql.Row[]? rows
  ---@return string[]|tidegate.Error columns their names in order, or the error
  function self.query(statement, params)
    check(statement, "string", "sql.query: the statement")
    return core.query(name, statement, params)
  end

  ---Gives the first row, or nil if there is none.
  ---@param statement string
  ---@param params? tidegate.sql.Params
  ---@return tidegate.sql.Row? row
  ---@return tidegate.Error? err
  function self.one(statement, params)
    check(statement, "string", "sql.one: the statement")
    local rows, err = core.query(name, statement, params)
    if not rows then return nil, err end
    return rows[1]
  end

  ---Gives the first column of the first row, or nil if there is no row or it is NULL.
  ---@param statement string
  ---@param params? tidegate.sql.Params
  ---@return string|number|nil value
  ---@return tidegate.Error? err
  function self.value(statement, params)
    check(statement, "string", "sql.value: the statement")
    local rows, columns = core.query(name, statement, params)
    if not rows then return nil, columns end
    return rows[1] and rows[1][columns[1]]
  end

  ---Loads rows into a table, which is made if it is absent. All or nothing.
  ---
  ---Errors: nil and `invalid` for columns that the table lacks, naming them; as exec
  ---@param table_name string
  ---@param rows table[] tables by column, or lists with options.columns
  ---@param options? tidegate.sql.LoadOptions
  ---@return { rows: integer }? result
  ---@return tidegate.Error? err
  function self.load(table_name, rows, options)
    check(table_name, "string", "sql.load: the table's name")
    check(rows, "table", "sql.load: the rows")
    options = check_options(options, LOAD_OPTIONS, "sql.load")
    local columns, is_keyed = load_columns(rows, options)
    return core.load(name, table_name, columns, options.types or {}, rows, is_keyed,
      options.replace)
  end

  ---Loads a CSV file (RFC 4180) into a table, which is made if it is absent. All or nothing.
  ---
  ---Errors: nil and `invalid` naming the first bad line if there is no quarantine; `denied` for a
  ---        path outside the roots of `files:`; as load
  ---@param table_name string
  ---@param path string
  ---@param options? tidegate.sql.CsvOptions
  ---@return { rows: integer, rejected: integer }? result
  ---@return tidegate.Error? err
  function self.load_csv(table_name, path, options)
    check(table_name, "string", "sql.load_csv: the table's name")
    check(path, "string", "sql.load_csv: the path")
    options = check_options(options, CSV_OPTIONS, "sql.load_csv")
    local types = options.types or {}
    return core.load_csv(name, table_name, path, options.header ~= false, options.replace,
      options.delimiter or ",", options.quote or '"', options.null or "", options.columns or {},
      sorted_keys(types), types, options.quarantine or "")
  end

  ---Calls a function in a transaction: what it did is kept if it returns, and undone if it raises or
  ---returns nil and an error, which are passed on. Transactions do not nest.
  ---
  ---Errors: what fn raises is raised; nil and the error if it cannot begin or commit
  ---@param fn fun(connection: tidegate.sql.Connection): ...
  ---@return any ... what fn returned
  function self.transaction(fn)
    check(fn, "function", "sql.transaction: the argument")
    local begun, err = core.begin(name)
    if not begun then return nil, err end
    local results = table.pack(pcall(fn, self))
    if not results[1] then
      core.rollback(name)
      error(results[2], 0)
    elseif results[2] == nil and results[3] ~= nil then
      core.rollback(name)
      return nil, results[3]
    end
    local committed, why = core.commit(name)
    if not committed then return nil, why end
    return table.unpack(results, 2, results.n)
  end

  return self
end

---@class tidegate.sql: tidegate.sql.Connection
local sql = connect("")

---Gives the same functions on a named connection.
---@param name string
---@return tidegate.sql.Connection
function sql.connection(name)
  check(name, "string", "sql.connection: the name")
  return connect(name)
end

---Opens another database. In plain Lua only; there the default is the file that the environment
---variable TIDEGATE_WAREHOUSE names, else .tidegate/warehouse.db.
---@type fun(options: { path: string }): true?, tidegate.Error?
sql.open = core.open and function(options)
  check(options, "table", "sql.open: the argument")
  check(options.path, "string", "sql.open: path")
  return core.open(options.path)
end

return sql
