-- SPDX-License-Identifier: Apache-2.0
-- The configuration of busted for the end-to-end tests.
return {
  default = {
    lua = "lua5.4",
    pattern = "_spec",
    lpath = "tests/e2e/?.lua",
    output = "plainTerminal",
  },
}
