-- SPDX-License-Identifier: Apache-2.0
---@meta tidegate.error

--- What the world did wrong, as `nil, err` or raised. tostring(err) is its message.
---@class tidegate.Error
---@field code string what happened: "timeout", "not_found", "sql", ... (TG_CODES in host/base/error.h)
---@field class "transient"|"throttled"|"permanent"|"contract"|"cancelled"|"lost"|"bug"
---@field message string
---@field retry_after? number seconds, where the remote asked for it
