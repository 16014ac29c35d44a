// SPDX-License-Identifier: Apache-2.0
// find, match, gmatch and gsub on pattern.h.
#pragma once

#include <lauxlib.h>

extern const luaL_Reg tg_sandbox_pattern_functions[];
