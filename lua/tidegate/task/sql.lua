-- SPDX-License-Identifier: Apache-2.0
--- tg.sql: statements on the warehouse, in one transaction.
---
--- With `into` the text is one query, and the table holds its rows afterwards however often it ran:
--- the rows are put into <into>__new, and then they replace the table, or its one partition, before
--- anybody can see either. The new table is copied, not renamed: SQLite refuses to rename a table to
--- a name that views use.
local native = require "tidegate._native"
local json = require "tidegate.json"
local schema = require "tidegate.pipeline.schema"
local sql = require "tidegate.sql"
local sql_text = require "tidegate.task.sql_text"
local words = require "tidegate.pipeline.words"

local sql_task = {}

local function constant_or_function(value, report, name)
  local kind = type(value)
  if kind == "function" or kind == "string" or kind == "number" or kind == "boolean" then
    return value
  end
  report(("%s must be a value or a function of ctx, not %s"):format(name, words.describe(value)))
end

local function named_values(value, report, name)
  local result = {}
  if type(value) ~= "table" or words.record(value) then
    report(("%s must be a table, not %s"):format(name, words.describe(value)))
    return result
  end
  for key, item in pairs(value) do
    local path = ("%s.%s"):format(name, tostring(key))
    schema.identifier(key, report, "the name of " .. path)
    result[key] = constant_or_function(item, report, path)
  end
  return result
end

local PARTITION = {
  column = { schema.identifier, required = true },
  value = { constant_or_function, required = true },
}

sql_task.schema = {
  file = { schema.string },
  query = { schema.string },
  into = { schema.identifier },
  partition = { schema.record(PARTITION) },
  params = { named_values, default = {} },
}

local function read_text(own, report)
  if own.file and own.query then report("file and query exclude each other") end
  if own.query or type(own.file) ~= "string" then
    if not own.query then
      report("needs statements: file or query", 'file = "silver_orders.sql"')
    end
    return own.query
  end
  local text, err = native.source("sql", own.file)
  if not text then report(("file = %q: %s"):format(own.file, err)) end
  return text
end

function sql_task.bake(task, report)
  local own = task.own
  own.text = read_text(own, report)
  if type(own.text) == "string" and not sql_text.bare(own.text):find("[^%s;]") then
    report("there is no statement in its text")
  elseif own.into and type(own.text) == "string" and not sql_text.is_query(own.text) then
    report("with into, the text must be one query", "SELECT ... or WITH ... SELECT ...")
  end
  if own.partition and not own.into then
    report("partition needs into, the table it is a part of")
  end
  if own.into then
    local produces = table.move(task.produces, 1, #task.produces, 1, {})
    produces[#produces + 1] = own.into
    task.produces = produces
  end
end

local function resolve(value, ctx)
  if type(value) == "function" then value = value(ctx) end
  if value == nil then return native.null end
  if type(value) == "table" and value ~= native.null then return json.encode(value) end
  return value
end

-- What every statement can name: the run's parameters, its times, and the task's own.
local function statement_params(task, ctx)
  local interval = ctx.interval or {}
  local result = {
    run_id = ctx.run, logical_date = resolve(ctx.logical_date),
    interval_start = resolve(interval.start), interval_end = resolve(interval["end"]),
  }
  for name, value in pairs(ctx.params) do result[name] = resolve(value) end
  for name, value in pairs(task.own.params) do result[name] = resolve(value, ctx) end
  return result
end

-- Gives a result, or raises: in a transaction, that undoes it.
local function must(value, err)
  if value == nil and err ~= nil then error(err, 0) end
  return value
end

local function exec(text, params) return must(sql.exec(text, params)) end

local function count(text, params) return must(sql.value(text, params)) end

-- Names are checked when they are baked (schema.identifier); the quotes are for words such as order.
local function fill(template, names)
  return (template:gsub("%$(%a+)", function(name) return '"' .. names[name] .. '"' end))
end

local function replace_table(names)
  exec(fill("DROP TABLE IF EXISTS $into", names))
  exec(fill("CREATE TABLE $into AS SELECT * FROM $new", names))
end

-- The columns of the new rows, so that their order need not be the table's.
local function columns(table_name)
  local list = {}
  local rows = must(sql.query("SELECT name FROM pragma_table_info(:name) ORDER BY cid",
    { name = table_name }))
  for i, row in ipairs(rows) do list[i] = ('"%s"'):format(row.name:gsub('"', '""')) end
  return table.concat(list, ", ")
end

local function check_partition(names, value)
  local strays = count(fill("SELECT count(*) FROM $new WHERE $column IS NOT :value", names),
    { value = value })
  if strays == 0 then return end
  error({
    code = "invalid", class = "permanent",
    message = ("%d rows of the query are not in the partition %s = %s"):format(
      strays, names.column, tostring(value)),
  }, 0)
end

local function replace_partition(names, value)
  check_partition(names, value)
  exec(fill("CREATE TABLE IF NOT EXISTS $into AS SELECT * FROM $new WHERE 0", names))
  exec(fill("DELETE FROM $into WHERE $column IS :value", names), { value = value })
  local list = columns(names.new)
  exec(fill("INSERT INTO $into", names) .. (" (%s) SELECT %s"):format(list, list)
    .. fill(" FROM $new", names))
end

-- Puts the rows of the query into the table; gives how many they are, and the partition's value.
local function write_into(own, params, ctx)
  local partition = own.partition and resolve(own.partition.value, ctx)
  local names = {
    into = own.into, new = own.into .. "__new", column = own.partition and own.partition.column,
  }
  exec(fill("DROP TABLE IF EXISTS $new", names))
  exec(fill("CREATE TABLE $new AS\n", names) .. own.text, params)
  local rows = count(fill("SELECT count(*) FROM $new", names))
  if own.partition then replace_partition(names, partition) else replace_table(names) end
  exec(fill("DROP TABLE $new", names))
  return rows, partition
end

function sql_task.run(task, ctx)
  local own = task.own
  local params = statement_params(task, ctx)
  if not own.into then
    return { rows = must(sql.exec(own.text, params)).changes }
  end
  local rows, partition
  must(sql.transaction(function()
    rows, partition = write_into(own, params, ctx)
    return true
  end))
  if partition ~= nil then partition = tostring(partition) end
  ctx:emit_asset { name = own.into, rows = rows, partition = partition }
  return { rows = rows, table = own.into }
end

return sql_task
