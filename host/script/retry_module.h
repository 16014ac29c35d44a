// SPDX-License-Identifier: Apache-2.0
// tidegate.retry: retry policies, circuit breakers and retry budgets for scripts. It needs no
// world, so it is the same in a script worker and in plain lua5.4.
#pragma once

#include <lua.h>

__attribute__((visibility("default"))) int luaopen_tidegate_retry(lua_State *L);
