-- SPDX-License-Identifier: Apache-2.0
-- A command that does not hear SIGTERM, and does not end when it is run for the first time.
local tg = require "tidegate"
local notes = require "notes"

return tg.pipeline "p" {
  tasks = {
    tg.cmd "a" {
      shell = true,
      argv = "trap '' TERM;" .. notes.shell
        .. "test -e files/started || { echo >files/started; sleep 1000; }",
    },
  },
}
