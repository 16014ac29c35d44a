-- SPDX-License-Identifier: Apache-2.0
-- Reading and filling tables of any length, some rows at a time.
local sql = require "tidegate.sql"

local tables = {}

local BATCH = 500

-- Gives a result, or raises: in a transaction, that undoes it.
local function must(result, err)
  if result == nil then error(err, 0) end
  return result
end

-- Gives a function that adds a row, and one that ends the table and counts its rows.
local function writer(name, columns)
  local options = { columns = {}, types = {} }
  for i, column in ipairs(columns) do
    local title, kind = column:match("^(%S+) (.+)$")
    options.columns[i], options.types[title] = title, kind
  end
  local batch, count = {}, 0
  local function flush()
    must(sql.load(name, batch, options))
    count, batch = count + #batch, {}
  end
  local function add(row)
    batch[#batch + 1] = row
    if #batch == BATCH then flush() end
  end
  return add, function() flush() return count end
end

-- Fills tables anew: afterwards they hold the rows that `fn` added, and no others. All or nothing.
--
--   tables.fill({ numbers = { "n INTEGER" } }, function(into) into.numbers { 1 } end)
--   --> { numbers = 1 }
function tables.fill(columns_by_table, fn)
  return sql.transaction(function()
    local into, finish = {}, {}
    for name, columns in pairs(columns_by_table) do
      -- It may have the columns of an older version.
      must(sql.exec(("DROP TABLE IF EXISTS %s"):format(name)))
      into[name], finish[name] = writer(name, columns)
    end
    local _, err = fn(into)
    if err then return nil, err end
    local counts = {}
    for name, count in pairs(finish) do counts[name] = count() end
    return counts
  end)
end

-- Gives the rows of a table in the order in which they were added.
function tables.rows(name)
  local query = ("SELECT rowid AS id, * FROM %s WHERE rowid > :last ORDER BY rowid LIMIT %d")
    :format(name, BATCH)
  local page, at, last = {}, 0, 0
  return function()
    if at == #page then
      page, at = must(sql.query(query, { last = last })), 0
    end
    at = at + 1
    local row = page[at]
    if row then last = row.id end
    return row
  end
end

return tables
