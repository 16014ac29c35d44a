-- SPDX-License-Identifier: Apache-2.0
---@meta

--- What a task's function is given.
---@class tidegate.Context
---@field run string id of the run
---@field pipeline string
---@field task string
---@field attempt integer from 1
---@field key string the same for all attempts, for calls that must happen once
---@field params table<string, any>
---@field logical_date? string RFC 3339
---@field interval? { start: string, end: string } the data it is about: start <= t < end
---@field partition? string
---@field now string when the attempt began
---@field deadline? string when its time is over
---@field output table<string, any> of the tasks before this one
---@field states table<string, string> of the tasks right before this one
---@field item any in the `run` of a tg.map
---@field index integer in the `run` of a tg.map, from 1
---@field error tidegate.Error in a fallback
local ctx = {}

--- Writes a line to the attempt's log.
---@param level "debug"|"info"|"warn"|"error"
---@param format string as string.format has it
---@param ... any
---@overload fun(self: tidegate.Context, format: string, ...: any)
function ctx:log(level, format, ...) end

--- Tells how far the task is.
---@param done number
---@param total number
function ctx:progress(done, total) end

--- Tells what was produced.
---@param asset { name: string, [string]: any }
function ctx:emit_asset(asset) end

--- Does a piece of the task once: what it gave is durable, and given to every later attempt.
---@param name string
---@param fn fun(): any, any
---@return any value
---@return any err
function ctx:step(name, fn) end

--- Sleeps; from a second on durably, without a worker.
---@param duration string "5m"
function ctx:sleep(duration) end

--- Waits for an event, without a worker and a slot.
---
--- Errors: nil and an error, code `timeout`, when none came in time
---@param options tidegate.EventWait
---@return { id: string, source: string, type: string, data: any, [string]: any }? event
---@return tidegate.Error? err
function ctx:wait_event(options) end

--- Waits until a person answers with `tidegate approve`.
---
--- Errors: nil and an error, code `rejected` or `timeout`
---@param options tidegate.ApprovalWait
---@return { approved: true, by: string, comment?: string, at: string }? answer
---@return tidegate.Error? err
function ctx:approve(options) end
