// SPDX-License-Identifier: Apache-2.0
#include "script/tasks_module.h"

#include "script/tasks.h"

int luaopen_tidegate__tasks(lua_State *L) {
  const luaL_Reg *const parts[] = {tg_lua_tasks_declaring, tg_lua_tasks_listing,
                                   tg_lua_tasks_graphing, tg_lua_tasks_planning};
  lua_newtable(L);
  tg_lua_tasks_push(L);
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    luaL_setfuncs(L, parts[i], 1);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  luaL_newmetatable(L, TG_LUA_TASK);
  lua_setfield(L, -2, "metatable");
  return 1;
}
