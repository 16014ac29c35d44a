-- SPDX-License-Identifier: Apache-2.0
--- tg.branch: chooses which of the tasks in `to` go on; the others are skipped.
local json = require "tidegate.json"
local native = require "tidegate._native"
local plain = require "tidegate.plain"
local schema = require "tidegate.pipeline.schema"
local suggest = require "tidegate.suggest"
local words = require "tidegate.pipeline.words"

local branch = {}

-- A function of ctx stays one, tg.policy "name" becomes { policy = "name" }.
local function decider(value, report, name)
  local record = words.record(value)
  if type(value) == "function" then return value end
  if record and record.word == "policy" then
    schema.name(record.name, report, "the policy's name")
    return { policy = record.name }
  end
  report(("%s must be a function or a policy, not %s"):format(name, words.describe(value)),
    'decide = tg.policy "name"')
end

branch.schema = {
  decide = { decider, required = true },
  to = { schema.strings, required = true },
  input = { schema.func },
}

function branch.bake(task, report)
  local decide = task.own.decide
  task.to, task.targets = task.own.to or {}, {}
  for _, name in ipairs(task.to) do task.targets[name] = { name } end
  if task.own.to and #task.to == 0 then report("to names no task") end
  if type(decide) == "table" then
    task.policy = decide.policy
  elseif task.own.input then
    report("input is what a policy sees, and decide is not a policy")
  end
end

-- What a policy sees unless `input` says otherwise; its schema takes what it needs of it.
local function default_input(ctx)
  local output = {}
  for name, value in pairs(ctx.output) do output[name] = value end
  return {
    pipeline = ctx.pipeline, run = ctx.run, logical_date = ctx.logical_date, params = ctx.params,
    output = output, now = ctx.now,
  }
end

local function decide(task, ctx)
  if not task.policy then return task.own.decide(ctx) end
  local input = plain.copy((task.own.input or default_input)(ctx), "the policy's input")
  if type(input) ~= "table" then
    error(("input of branch %q must give a table, not %s"):format(
      task.name, words.describe(input)), 0)
  end
  return native.decide(task.policy, input)
end

local function wrong_answer(task, answer)
  local allowed = table.concat(task.own.to, ", ")
  return {
    code = "invalid", class = "permanent",
    message = ("branch %q decided for %s; it can go on with: %s"):format(
      task.name, words.describe(answer), allowed),
  }
end

-- Gives the chosen names as a list without repeats, or nil and an error.
local function chosen_names(task, answer)
  local names, seen = json.array {}, {}
  local list = type(answer) == "table" and answer or { answer }
  for key, name in pairs(list) do
    if math.type(key) ~= "integer" or not task.targets[name] then
      local err = wrong_answer(task, name)
      local hint = suggest.nearest(name, task.own.to)
      if hint then err.message = ("%s; did you mean %q?"):format(err.message, hint) end
      return nil, err
    end
  end
  for _, name in ipairs(list) do
    for _, target in ipairs(task.targets[name]) do
      if not seen[target] then names[#names + 1], seen[target] = target, true end
    end
  end
  return names
end

function branch.run(task, ctx, facts)
  local answer, err = decide(task, ctx)
  if answer == nil then return nil, err or wrong_answer(task, nil) end
  local action, reason = answer, nil
  if type(answer) == "table" and answer.action ~= nil then
    action, reason = answer.action, answer.reason
  end
  local names, fault = chosen_names(task, action)
  if not names then return nil, fault end
  facts.chosen = names
  return { chosen = names, action = action, reason = reason, policy = task.policy }
end

return branch
