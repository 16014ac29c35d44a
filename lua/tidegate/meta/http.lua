-- SPDX-License-Identifier: Apache-2.0
---@meta tidegate.http

--- HTTP, done by the host: a script has no network. A wrong argument raises; a failure of the world
--- (no connection, a timeout, a size, TLS) is nil and an error. A status is no failure, unless
--- `response:check()` makes one of it:
---
---     local response, err = http.get("https://example.com/api", { query = { page = 1 } })
---     if response then response, err = response:check() end
---     if not response then return nil, err end
---     local rows = response:json()
---@class tidegate.http
local http = {}

---@alias tidegate.http.Duration string|integer "30s", or ms
---@alias tidegate.http.Value string|number|boolean

---@class tidegate.http.Options
---@field headers? table<string, string|number|tidegate.Secret>
---@field query? table<string, tidegate.http.Value|tidegate.http.Value[]> appended to the URL, sorted
---@field body? string this, `json` or `form`
---@field json? any encoded, with `content-type: application/json`
---@field form? table<string, tidegate.http.Value|tidegate.http.Value[]> URL-encoded, sorted
---@field timeout? tidegate.http.Duration of the whole, redirects included; 5m by default
---@field connect_timeout? tidegate.http.Duration 10s by default
---@field idle_timeout? tidegate.http.Duration without a byte coming or going; 1m by default
---@field max_bytes? string|integer of the body, decompressed; "16MiB" by default
---@field redirects? integer how many are followed, 10 at most and by default; 0 gives the redirect

---@class tidegate.http.Request: tidegate.http.Options
---@field method? "GET"|"HEAD"|"POST"|"PUT"|"PATCH"|"DELETE"|"OPTIONS" GET by default
---@field url string

---@class tidegate.http.Response
---@field status integer
---@field ok boolean whether the status is below 400
---@field class? string of a status from 400: "throttled", "transient" or "permanent"
---@field retry_after? number seconds, if the remote said so
---@field headers table<string, string> names in lower case; repeated ones are joined by ", "
---@field body string
---@field url string of the last redirect
---@field elapsed_ms integer
local response = {}

--- Gives the body as JSON, whatever the status is; use check() first where an error's body is none
--- of the data.
---
--- Errors: `invalid` if it is no JSON; of a status from 400 then what check() gives
---@return any value
---@return tidegate.Error? err
function response:json() end

--- Gives the response itself, or nil and an error if the status is 400 or more.
---
--- Errors: `throttled`, `denied` (401, 403), `not_found` (404, 410), `conflict` (409, 412) or
---         `remote`, with the class of the status and `retry_after`
---@return tidegate.http.Response? response
---@return tidegate.Error? err
function response:check() end

--- Sends a request and waits for the response.
---
--- Errors: `connect`, `timeout`, `tls`, `limit` (size, redirects), `denied` (address, secret,
---         redirect from https to http), `invalid` (URL, header), `remote` (no HTTP)
---@param request tidegate.http.Request
---@return tidegate.http.Response? response
---@return tidegate.Error? err
function http.request(request) end

--- Does the same with a method of its own.
---@param url string
---@param options? tidegate.http.Options
---@return tidegate.http.Response? response
---@return tidegate.Error? err
function http.get(url, options) end

---@param url string
---@param options? tidegate.http.Options
---@return tidegate.http.Response? response
---@return tidegate.Error? err
function http.head(url, options) end

---@param url string
---@param options? tidegate.http.Options
---@return tidegate.http.Response? response
---@return tidegate.Error? err
function http.post(url, options) end

---@param url string
---@param options? tidegate.http.Options
---@return tidegate.http.Response? response
---@return tidegate.Error? err
function http.put(url, options) end

---@param url string
---@param options? tidegate.http.Options
---@return tidegate.http.Response? response
---@return tidegate.Error? err
function http.patch(url, options) end

---@param url string
---@param options? tidegate.http.Options
---@return tidegate.http.Response? response
---@return tidegate.Error? err
function http.delete(url, options) end

---@param url string
---@param options? tidegate.http.Options
---@return tidegate.http.Response? response
---@return tidegate.Error? err
function http.options(url, options) end

--- Makes the handle of a secret, for values of headers: `"Bearer " .. http.secret "API_TOKEN"`.
--- The host puts the value in its place; a script never has it. In plain Lua the value is that of
--- the environment variable TIDEGATE_SECRET_<name>.
---@param name string
---@return tidegate.Secret
function http.secret(name) end

return http
