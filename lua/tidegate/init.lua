-- SPDX-License-Identifier: Apache-2.0
--- The words pipelines are written with. They only declare; baking and validating are in
--- tidegate.pipeline, what the tasks do in tidegate.task.
---
---   local tg = require "tidegate"
---   return tg.pipeline "orders" {
---     tasks = {
---       tg.task "bronze" { run = function(ctx) return { rows = 12 } end },
---       tg.sql  "silver" { after = "bronze", file = "silver_orders.sql", into = "silver_orders" },
---     },
---   }
local native = require "tidegate._native"
local plain = require "tidegate.plain"
local tasks = require "tidegate.pipeline.tasks"
local words = require "tidegate.pipeline.words"

---@class tidegate.Declaration what a word returns; it cannot be looked into

---@alias tidegate.Word.Pipeline fun(name: string): fun(fields: tidegate.PipelineFields): tidegate.Declaration
---@alias tidegate.Word.Task fun(name: string): fun(fields: tidegate.ScriptFields): tidegate.Declaration
---@alias tidegate.Word.Sql fun(name: string): fun(fields: tidegate.SqlFields): tidegate.Declaration
---@alias tidegate.Word.Gate fun(name: string): fun(fields: tidegate.GateFields): tidegate.Declaration
---@alias tidegate.Word.Branch fun(name: string): fun(fields: tidegate.BranchFields): tidegate.Declaration
---@alias tidegate.Word.Cmd fun(name: string): fun(fields: tidegate.CmdFields): tidegate.Declaration
---@alias tidegate.Word.Map fun(name: string): fun(fields: tidegate.MapFields): tidegate.Declaration
---@alias tidegate.Word.Run fun(name: string): fun(fields: tidegate.RunFields): tidegate.Declaration
---@alias tidegate.Word.Group fun(name: string): fun(fields: tidegate.GroupFields): tidegate.Declaration

---@class tidegate
---@field pipeline tidegate.Word.Pipeline tasks in an order, what starts them, what they take
---@field task tidegate.Word.Task a Lua function
---@field sql tidegate.Word.Sql statements on the warehouse
---@field gate tidegate.Word.Gate a contract that must hold before anything behind it starts
---@field branch tidegate.Word.Branch a choice of which tasks go on
---@field cmd tidegate.Word.Cmd a program
---@field map tidegate.Word.Map a Lua function for each item of a list
---@field run tidegate.Word.Run another pipeline, as a child run
---@field group tidegate.Word.Group tasks that belong together, named "group.task"
---@field policy fun(name: string): tidegate.Declaration pipelines/policies/NAME.lua, read live
---@field secret fun(name: string): tidegate.Secret a handle; its value is known to the host alone
---@field cron fun(expr: string, options?: tidegate.CronOptions): tidegate.Declaration
---@field event fun(fields: tidegate.EventFields): tidegate.Declaration
---@field string fun(fields?: tidegate.StringFields): tidegate.Declaration
---@field int fun(fields?: tidegate.NumberFields): tidegate.Declaration
---@field number fun(fields?: tidegate.NumberFields): tidegate.Declaration
---@field bool fun(fields?: tidegate.TypeFields): tidegate.Declaration
---@field enum fun(fields: tidegate.EnumFields): tidegate.Declaration
---@field date fun(fields?: tidegate.TypeFields): tidegate.Declaration "2026-11-20"
---@field list fun(fields?: tidegate.ListFields): tidegate.Declaration
---@field logical_date tidegate.Declaration the default of a date: the day the run stands for

---@class tidegate.PipelineFields
---@field tasks tidegate.Declaration[]
---@field doc? string
---@field tags? string|string[]
---@field on? tidegate.Declaration[] tg.cron, tg.event
---@field params? table<string, tidegate.Declaration>
---@field limits? tidegate.LimitFields
---@field partitions? string[] each occurrence is run for each of them: { "EU", "US" }
---@field pools? table<string, integer> how many slots each has: { warehouse = 4 }

---@class tidegate.LimitFields
---@field runs? integer of this pipeline at once; 16 by default, 0 for no limit
---@field overlap? "queue"|"skip"|"cancel_running"|"allow" what becomes of a run too many; it is queued by default
---@field timeout? string of a run: "2h"
---@field tasks? integer running at once in a run
---@field retries? integer of all tasks of a run together

---@class tidegate.TaskFields
---@field after? string|string[] the tasks it waits for
---@field when? tidegate.TriggerRule what must have become of them; all_success by default
---@field retry? tidegate.RetryFields|tidegate.Declaration of tg.policy, which decides on each retry
---@field timeout? string of an attempt: "30m"
---@field doc? string
---@field tags? string|string[]
---@field produces? string|string[] names of assets
---@field reads? string|string[] names of assets of other pipelines: with newer ones it is stale
---@field priority? integer the higher the sooner
---@field setup? boolean makes what the tasks after it need
---@field teardown? boolean runs although others failed, and does not hide that they did
---@field pool? string|table<string, integer> the slots it takes: "warehouse", { warehouse = 2 }
---@field resource? string what it calls: those that call the same share a breaker and a budget
---@field fallback? string|fun(ctx: tidegate.Context, err: tidegate.Error): any, any last of all; a task's name

---@alias tidegate.TriggerRule
---| "all_success" | "all_done" | "all_failed" | "all_skipped" | "one_success" | "one_failed"
---| "one_done" | "none_failed" | "none_failed_min_one_success" | "none_skipped" | "always"

---@class tidegate.RetryFields
---@field attempts? integer in all, the first one counted; 100 where a policy decides
---@field decide? tidegate.Declaration tg.policy "name", asked about each retry
---@field backoff? "constant"|"linear"|"exponential"|"decorrelated"
---@field base? string the first delay: "1s"
---@field cap? string the longest delay: "5m"
---@field factor? number of exponential backoff
---@field jitter? "none"|"full"|"equal"
---@field on? ("transient"|"throttled"|"permanent"|"contract"|"bug")[] which classes of errors
---@field total? string no more attempts after this time

---@class tidegate.ScriptFields: tidegate.TaskFields
---@field run fun(ctx: tidegate.Context): any, any plain data; or nil and an error

---@class tidegate.SqlFields: tidegate.TaskFields
---@field file? string statements, relative to pipelines/
---@field query? string statements, in place of a file
---@field into? string the table that holds the rows of the one query, and nothing else
---@field partition? { column: string, value: any } replaces these rows of `into` only
---@field params? table<string, string|number|boolean|fun(ctx: tidegate.Context): any>

---@class tidegate.GateFields: tidegate.TaskFields
---@field contract string contracts/NAME.yaml
---@field table? string by default the one the contract names

---@class tidegate.BranchFields: tidegate.TaskFields
---@field to string|string[]
---@field decide tidegate.Declaration|fun(ctx: tidegate.Context): string|string[]
---@field input? fun(ctx: tidegate.Context): table what the policy sees

---@class tidegate.CmdFields: tidegate.TaskFields
---@field argv string|string[] the program and its arguments; with shell = true one string
---@field shell? boolean
---@field env? table<integer|string, string> names to pass through, pairs to set
---@field cwd? string
---@field stdin? string
---@field grace? string from TERM to KILL: "10s"
---@field ok_codes? integer[]
---@field output? "text"|"json" with json the last line of it on stdout is the result

---@class tidegate.MapFields: tidegate.TaskFields
---@field over string|fun(ctx: tidegate.Context): any[]?, any gives the items; or a map before, whose outputs they are
---@field run fun(ctx: tidegate.Context, item: any): any, any
---@field limit? integer items at once, each from its first try to its end
---@field key? fun(ctx: tidegate.Context, item: any): string|number|boolean
---@field limit_per_key? integer items of one key at once
---@field order? "breadth"|"depth" of a map over a map: all items of one first, or one item through both
---@field fail_after? integer|string 10: the tenth failed item ends the map; "10%": more than these; else any fails it
---@field items_max? integer 100,000 by default; more items fail the map

---@class tidegate.RunFields: tidegate.TaskFields
---@field pipeline string
---@field params? table<string, any>|fun(ctx: tidegate.Context): table<string, any>?, any
---@field partition? string|fun(ctx: tidegate.Context): string?, any of the child; by default that of its parent
---@field wait? boolean for its end, true by default; it fails with the child then

---@class tidegate.GroupFields
---@field tasks tidegate.Declaration[]
---@field after? string|string[] of its first tasks
---@field when? tidegate.TriggerRule of its first tasks
---@field doc? string

---@class tidegate.CronOptions
---@field tz? string "Europe/Berlin"; UTC by default
---@field missed? "skip"|"latest"|"all"
---@field calendar? tidegate.CalendarFields when it may run
---@field on_closed? "skip"|"shift" what becomes of an occurrence on a closed time: left out, or the next open instant

---@class tidegate.CalendarFields
---@field weekdays? string "MON-FRI"
---@field holidays? string|string[] "2026-12-25", "2026-12-24..2026-12-26"
---@field hours? string|string[] of the zone's clocks: "08:00-18:00"
---@field blackouts? string|string[] two instants: "2026-12-20T00:00:00Z/2026-12-27T00:00:00Z"

---@class tidegate.EventFields
---@field type string
---@field subject? string a glob
---@field source? string a glob
---@field fate? "each"|"coalesce"
---@field window? string events within it become one run: "30s"

---@class tidegate.TypeFields
---@field default? any|tidegate.Computed a value, or a function of the other parameters
---@field doc? string
---@field required? boolean what has no default is required, with or without this word
---@field optional? boolean of a policy's input

---@alias tidegate.Computed fun(params: table<string, any>, run: tidegate.RunFacts): any, any

---@class tidegate.RunFacts
---@field logical_date string
---@field interval { start: string, ["end"]: string }
---@field partition? string

---@class tidegate.StringFields: tidegate.TypeFields
---@field pattern? string a Lua pattern for the whole string, with or without ^ and $
---@field secret? boolean tasks get a handle as of tg.secret; a default is tg.secret "NAME"
---@field min_length? integer
---@field max_length? integer

---@class tidegate.NumberFields: tidegate.TypeFields
---@field min? number
---@field max? number

---@class tidegate.EnumFields: tidegate.TypeFields
---@field [integer] string

---@class tidegate.ListFields: tidegate.TypeFields
---@field of? tidegate.Declaration the type of its items; strings by default
---@field min_length? integer
---@field max_length? integer

---@class tidegate.Context
---@field run string the run's id
---@field pipeline string
---@field task string
---@field attempt integer from 1
---@field key string the same for every attempt of this task, or item of a map, in this run
---@field item? any of a map
---@field index? integer of the item, from 1
---@field error? tidegate.Error of a fallback, function or task: what the last attempt failed with
---@field params table<string, any>
---@field logical_date? string the instant the run stands for
---@field interval? { start: string, end: string }
---@field now string when the attempt started
---@field deadline? string when it ends whatever it does: the earliest limit of all that bind it
---@field event? table what started the run
---@field output table<string, any> what the tasks before this one gave
---@field states table<string, string> what became of the tasks right before this one
---@field log fun(self: tidegate.Context, level_or_format: string, ...: any)
---@field progress fun(self: tidegate.Context, done: number, total: number)
---@field step fun(self: tidegate.Context, name: string, fn: fun(): any, any): any, any done once
---@field sleep fun(self: tidegate.Context, duration: string) holds no worker
---@field emit_asset fun(self: tidegate.Context, asset: { name: string, rows?: integer, partition?: string })

-- Where secrets are used; asked for when one is named, because policies have no HTTP.
local function secret(name) return (require("tidegate.http").secret(name)) end

local vocabulary = { logical_date = words.constant "logical_date", secret = secret }

for _, word in ipairs { "pipeline", "group", "policy" } do
  vocabulary[word] = words.named(word)
end
for _, word in ipairs { "task", "sql", "gate", "branch", "cmd", "map", "run" } do
  vocabulary[word] = tasks.word(word)
end
for _, word in ipairs {
  "string", "int", "number", "bool", "enum", "date", "list", "cron", "event",
} do
  vocabulary[word] = words.plain(word)
end

---@type tidegate
local tg = setmetatable({}, {
  __metatable = false,
  __index = function(_, word)
    local known = vocabulary[word]
    if known ~= nil then return known end
    local unknown = words.unknown(word, native.where(1), plain.keys(vocabulary))
    return unknown
  end,
  __newindex = function(_, word)
    error(("tg.%s cannot be set: the words are fixed"):format(tostring(word)), 2)
  end,
})

return tg
