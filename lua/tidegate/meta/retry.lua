-- SPDX-License-Identifier: Apache-2.0
---@meta tidegate.retry

--- Retry policies: how long to wait after a failure, or why to stop. Nothing is remembered and no
--- clock is read: the same policy, attempt and seed give the same delay.
local retry = {}

---@alias tidegate.retry.Class
---| "transient"
---| "throttled"
---| "permanent"
---| "contract"
---| "lost"
---| "bug"

---@class tidegate.retry.Options
---@field attempts? integer tries in all, 3 by default; 1 is no retry
---@field backoff? "constant"|"linear"|"exponential"|"decorrelated" "exponential" by default
---@field base? string the first delay, "1s" by default
---@field cap? string the longest delay, "5m" by default
---@field factor? number of exponential backoff, 2 by default
---@field jitter? "none"|"full"|"equal" "full" by default; decorrelated backoff has its own
---@field on? tidegate.retry.Class[] tried again; transient and throttled by default
---@field total? string from the first attempt to the last; "0s", the default, is no limit

---@class tidegate.retry.Policy
local Policy = {}

--- Makes a policy.
---
--- Errors: raises for an unknown option or word (naming the nearest) and for values without sense
---@param options tidegate.retry.Options
---@return tidegate.retry.Policy
function retry.policy(options) end

--- Gives the delay before the next attempt, or nil and why there is none.
---
--- Units:  ms for the delay and `elapsed_ms`; `retry_after` (what the remote asked for) in seconds
---@param attempt integer the attempt that failed, from 1
---@param class tidegate.retry.Class|"cancelled"|"none" of its error
---@param seed integer
---@param retry_after? number
---@param elapsed_ms? integer since the first attempt started
---@return integer? delay_ms
---@return ("class"|"attempts"|"total")? reason
function Policy:next(attempt, class, seed, retry_after, elapsed_ms) end

--- Lists the delays of a run whose every attempt fails at once; at most 1,000.
---
--- Units:  ms
---@param seed integer
---@return integer[]
function Policy:delays(seed) end

return retry
