-- SPDX-License-Identifier: Apache-2.0
--- tg.cmd: a program, started by the host in a session of its own. Nothing of it runs in a script.
local plain = require "tidegate.plain"
local schema = require "tidegate.pipeline.schema"
local words = require "tidegate.pipeline.words"

local cmd = {}

local ENV_DEFAULT = { pass = { "PATH", "HOME", "LANG", "TZ" }, set = {} }

local env_name = schema.type("the name of a variable", function(value)
  return type(value) == "string" and value:find("^[%a_][%w_]*$") and not value:find("^TIDEGATE_")
end, "letters, digits and _; not TIDEGATE_*, which the host sets")

local text = schema.type("a string without a NUL", function(value)
  return type(value) == "string" and not value:find("\0", 1, true)
end)

-- { "PATH", STAGE = "prod" }: names are passed through, pairs are set.
local function environment(value, report, name)
  local env = { pass = {}, set = {} }
  if type(value) ~= "table" then
    report(("%s must be a table, not %s"):format(name, words.describe(value)),
      '{ "PATH", STAGE = "prod" }')
    return env
  end
  for _, key in ipairs(plain.keys(value)) do
    if math.type(key) == "integer" then
      env.pass[#env.pass + 1] = env_name(value[key], report, ("%s[%d]"):format(name, key))
    else
      env_name(key, report, name)
      env.set[key] = text(value[key], report, ("%s.%s"):format(name, tostring(key)))
    end
  end
  return env
end

cmd.schema = {
  argv = { schema.list(text), required = true },
  shell = { schema.boolean, default = false },
  env = { environment, default = ENV_DEFAULT },
  cwd = { text, default = "" },
  stdin = { schema.string, default = "" },
  grace = { schema.duration, default = 10000 },
  ok_codes = { schema.list(schema.integer(0, 255)), default = { 0 } },
  output = { schema.enum { "text", "json" }, default = "text" },
}

function cmd.bake(task, report)
  local own = task.own
  local argv = own.argv or {}
  if own.argv and (#argv == 0 or argv[1] == "") then
    report("argv names no program", 'argv = { "dbt", "build" }')
  elseif own.shell and #argv > 1 then
    report("argv must be one string with shell = true", 'argv = "dbt build | tee log"')
  elseif not own.shell and #argv == 1 and type(argv[1]) == "string" and argv[1]:find("%s") then
    report(("there is no program %q: each argument is a string of its own"):format(argv[1]),
      'argv = { "dbt", "build" }, or shell = true')
  end
  task.command = {
    argv = argv, shell = own.shell, env = own.env, cwd = own.cwd, stdin = own.stdin,
    grace_ms = own.grace, ok_codes = own.ok_codes, output = own.output,
  }
end

cmd.run = false

return cmd
