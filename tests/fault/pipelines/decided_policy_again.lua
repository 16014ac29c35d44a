-- SPDX-License-Identifier: Apache-2.0
local tg = require "tidegate"

return {
  kind = "retry",
  input = { attempt = tg.int() },
  decide = function(input)
    if input.attempt >= 4 then return { action = "stop", reason = "it was tried often" } end
    return { action = "retry", delay = "1ms", reason = "once more" }
  end,
}
