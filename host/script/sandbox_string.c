// SPDX-License-Identifier: Apache-2.0
// The string library: Lua's own functions where they are bounded, ours for patterns
// (sandbox_pattern.c), rep, format and pack.
#include <lualib.h>
#include <string.h>

#include "base/limits.h"
#include "script/sandbox_parts.h"
#include "script/sandbox_pattern.h"

static int l_string_rep(lua_State *L) {
  size_t len, separator_len;
  const char *text = luaL_checklstring(L, 1, &len);
  lua_Integer n = luaL_checkinteger(L, 2);
  const char *separator = luaL_optlstring(L, 3, "", &separator_len);
  lua_pushliteral(L, "");
  if (n <= 0 || len + separator_len == 0) return 1;
  size_t unit = len + separator_len;
  if ((lua_Unsigned)n > TG_STRING_BYTES_MAX / unit)
    return luaL_error(L, "string.rep: the result has more than %d bytes", TG_STRING_BYTES_MAX);
  size_t total = (size_t)n * unit - separator_len;
  luaL_Buffer buffer;
  char *out = luaL_buffinitsize(L, &buffer, total);
  memcpy(out, text, len);
  if (n > 1) memcpy(out + len, separator, separator_len);
  // What is there already is doubled until it is enough.
  for (size_t done = unit; done < total; done *= 2)
    memcpy(out + done, out, done < total - done ? done : total - done);
  luaL_pushresultsize(&buffer, total);
  return 1;
}

// Calls Lua's own function (upvalue 1) with all arguments, and gives its error the place and the
// name (upvalue 2) that it would have if the script had called it.
static int call_own(lua_State *L) {
  int nargs = lua_gettop(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  int status = lua_pcall(L, nargs, LUA_MULTRET, 0);
  if (status == LUA_OK) return lua_gettop(L);
  if (status == LUA_ERRMEM || lua_type(L, -1) != LUA_TSTRING) return lua_error(L);
  luaL_where(L, 1);
  luaL_gsub(L, lua_tostring(L, -2), "'?'", lua_tostring(L, lua_upvalueindex(2)));
  lua_concat(L, 2);
  return lua_error(L);
}

// Makes one argument of format ready: what Lua would show with its address is turned into text
// here.
static size_t prepare_argument(lua_State *L, int arg, char conversion) {
  size_t len = 0;
  if (arg > lua_gettop(L)) return 0; // format itself says which argument is missing
  if (conversion == 'p') luaL_argerror(L, arg, "'%p' is not available in scripts");
  if (conversion == 's') {
    tg_sandbox_tostring(L, arg, &len);
    lua_replace(L, arg);
  } else if (conversion == 'q' && lua_type(L, arg) == LUA_TSTRING) {
    len = lua_rawlen(L, arg);
  }
  return len;
}

// Lua's own format bounds width and precision at two digits.
static int l_string_format(lua_State *L) {
  size_t len;
  const char *format = luaL_checklstring(L, 1, &len), *end = format + len;
  size_t total = len;
  for (int arg = 2; format < end; format++) {
    if (*format != '%') continue;
    format += 1 + strspn(format + 1, "-+ #.0123456789");
    if (format < end && *format != '%') total += prepare_argument(L, arg++, *format);
    if (total > TG_STRING_BYTES_MAX)
      return luaL_error(L, "string.format: the result has more than %d bytes", TG_STRING_BYTES_MAX);
  }
  tg_slice_work(L, (int64_t)len);
  tg_slice_leave(L);
  return call_own(L);
}

// In a format of pack only "cn" makes much out of little.
static int l_string_pack(lua_State *L) {
  const char *format = luaL_checkstring(L, 1);
  uint64_t total = 0;
  for (; *format; format++) {
    if (*format != 'c') continue;
    uint64_t size = 0;
    for (; format[1] >= '0' && format[1] <= '9' && size <= TG_STRING_BYTES_MAX; format++)
      size = size * 10 + (uint64_t)(format[1] - '0');
    total += size;
    if (total > TG_STRING_BYTES_MAX)
      return luaL_error(L, "string.pack: the result has more than %d bytes", TG_STRING_BYTES_MAX);
  }
  return call_own(L);
}

// Strings in arithmetic: "10" + 1 is 11, as everywhere in Lua.
static bool push_number(lua_State *L, int index) {
  if (lua_type(L, index) == LUA_TNUMBER) {
    lua_pushvalue(L, index);
    return true;
  }
  size_t len;
  const char *text = lua_tolstring(L, index, &len);
  return text && lua_stringtonumber(L, text) == len + 1;
}

static int arithmetic_fault(lua_State *L, const char *event) {
  if (lua_type(L, 2) != LUA_TSTRING && luaL_getmetafield(L, 2, event) != LUA_TNIL) {
    lua_insert(L, 1);
    lua_call(L, 2, 1);
    return 1;
  }
  lua_settop(L, 2);
  return luaL_error(L, "attempt to perform arithmetic on a %s value", luaL_typename(L, -2));
}

static int arithmetic(lua_State *L, int operation, const char *event) {
  lua_settop(L, 2);
  if (!push_number(L, 1) || !push_number(L, 2)) {
    lua_settop(L, 2);
    return arithmetic_fault(L, event);
  }
  lua_arith(L, operation);
  return 1;
}

static int l_string_unm(lua_State *L) {
  if (!push_number(L, 1)) return luaL_error(L, "attempt to perform arithmetic on a string value");
  lua_arith(L, LUA_OPUNM);
  return 1;
}

#define ARITHMETIC(name, operation)                                                                \
  static int l_string_##name(lua_State *L) {                                                       \
    return arithmetic(L, operation, "__" #name);                                                   \
  }
ARITHMETIC(add, LUA_OPADD)
ARITHMETIC(sub, LUA_OPSUB)
ARITHMETIC(mul, LUA_OPMUL)
ARITHMETIC(mod, LUA_OPMOD)
ARITHMETIC(pow, LUA_OPPOW)
ARITHMETIC(div, LUA_OPDIV)
ARITHMETIC(idiv, LUA_OPIDIV)

// Gives strings their metatable; the library's table is on top.
static void set_metatable(lua_State *L) {
  static const luaL_Reg events[] = {
      {"__add", l_string_add}, {"__sub", l_string_sub},   {"__mul", l_string_mul},
      {"__mod", l_string_mod}, {"__pow", l_string_pow},   {"__div", l_string_div},
      {"__unm", l_string_unm}, {"__idiv", l_string_idiv}, {NULL, NULL}};
  lua_pushliteral(L, "");
  luaL_newlib(L, events);
  lua_pushvalue(L, -3);
  lua_setfield(L, -2, "__index");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
}

// Puts `wrapper` in the place of Lua's own function.
static void wrap(lua_State *L, const char *name, lua_CFunction wrapper) {
  lua_getfield(L, -1, name);
  lua_pushfstring(L, "'%s'", name);
  lua_pushcclosure(L, wrapper, 2);
  lua_setfield(L, -2, name);
}

void tg_sandbox_push_string(lua_State *L) {
  static const char *const kept[] = {"byte",    "char",     "format", "len",    "lower", "pack",
                                     "reverse", "packsize", "sub",    "unpack", "upper", NULL};
  luaopen_string(L);
  lua_newtable(L);
  tg_sandbox_copy_fields(L, kept);
  lua_remove(L, -2);
  wrap(L, "format", l_string_format);
  wrap(L, "pack", l_string_pack);
  lua_pushcfunction(L, l_string_rep);
  lua_setfield(L, -2, "rep");
  luaL_setfuncs(L, tg_sandbox_pattern_functions, 0);
  set_metatable(L);
}
