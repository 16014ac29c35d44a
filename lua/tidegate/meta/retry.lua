-- SPDX-License-Identifier: Apache-2.0
---@meta tidegate.retry

--- Retry policies: how long to wait after a failure, or why to stop. Circuit breakers: whether a
--- resource is left alone for a while. Retry budgets: how many retries there may be in all.
---
--- No clock is read: `now` is an argument, in ms from any start. The same calls give the same
--- answers. A breaker or budget lives in its object; `encode` and `decode` take it through a store.
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

---@alias tidegate.retry.Outcome tidegate.retry.Class|"cancelled"|"none"

---@class tidegate.retry.BreakerOptions
---@field failures? integer in a row open it; 5 by default, unless `share` is given
---@field share? number of the calls in the window that fail opens it, 0.001 to 1
---@field calls? integer that the window must hold before the share means something, 20 by default
---@field window? string for the share, "1m" by default
---@field open? string how long nothing may go, "30s" by default
---@field retry_after_max? string the longest time a remote may ask for, "1h" by default
---@field probes? integer calls that may be out while it is half open, 1 by default, at most 8
---@field successes? integer of probes that close it, 1 by default
---@field lease? string after which a probe that did not report is given up, "1m" by default

---@class tidegate.retry.Breaker
local Breaker = {}

--- Makes a closed circuit breaker.
---
--- Errors: raises for an unknown option (naming the nearest) and for values without sense
---@param options tidegate.retry.BreakerOptions
---@return tidegate.retry.Breaker
function retry.breaker(options) end

--- Asks whether a call may go. Who may go must report, whatever happens.
---@param now integer
---@return "allow"|"probe"|"refuse" verdict
---@return integer ticket_or_retry_at the ticket to report with; if refused, when to ask again at the latest
function Breaker:ask(now) end

--- Tells how a call ended; gives the phase after it. Transient, throttled and lost are failures,
--- "none" is a success, the rest does not count. A throttled call with a `retry_after` opens until then.
---
--- Units:  `retry_after` (what the remote asked for) in seconds
---@param now integer
---@param ticket integer that ask gave; an old one is harmless
---@param class tidegate.retry.Outcome
---@param retry_after? number
---@return "closed"|"open"|"half_open" phase
function Breaker:report(now, ticket, class, retry_after) end

---@return "closed"|"open"|"half_open"
function Breaker:phase() end

--- Gives the state, without the options, as a line of text.
---@return string
function Breaker:encode() end

--- Takes the state from a text that encode gave. On an error the breaker is as it was.
---
--- Errors: "invalid" for any other text
---@param text string
---@return true?
---@return tidegate.Error?
function Breaker:decode(text) end

---@class tidegate.retry.BudgetOptions
---@field ratio? number retries that each first try allows, 0.2 by default
---@field reserve? number retries a second beside those, 0.1 by default
---@field cap? number retries at once, with which it begins, 10 by default

---@class tidegate.retry.Budget
local Budget = {}

--- Makes a full retry budget. With ratio = 0 and reserve = 0 it is a counter of `cap` retries.
---
--- Units:  thousandths are kept, what is smaller is rounded
--- Errors: raises for an unknown option (naming the nearest) and for values without sense
---@param options tidegate.retry.BudgetOptions
---@param now integer
---@return tidegate.retry.Budget
function retry.budget(options, now) end

--- Tells of a first try.
---@param now integer
function Budget:deposit(now) end

--- Takes one retry; false if there may be none now.
---@param now integer
---@return boolean
function Budget:try(now) end

--- Gives the number of retries that may follow at once.
---@param now integer
---@return integer
function Budget:left(now) end

--- Gives the state, without the options, as a line of text.
---@return string
function Budget:encode() end

--- Takes the state from a text that encode gave. On an error the budget is as it was.
---
--- Errors: "invalid" for any other text
---@param text string
---@return true?
---@return tidegate.Error?
function Budget:decode(text) end

return retry
