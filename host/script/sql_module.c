// SPDX-License-Identifier: Apache-2.0
#include "script/sql_module.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "script/lua_body.h"
#include "script/lua_error.h"
#include "warehouse/service.h"

// Raises at the line of the script that called the public function, which is Lua and called us.
__attribute__((format(printf, 2, 3))) static int mistake(lua_State *L, const char *format, ...) {
  char text[256];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  luaL_where(L, 2);
  lua_pushstring(L, text);
  lua_concat(L, 2);
  return lua_error(L);
}

// NULL among parameters and rows is a light userdata of address 0, as the JSON modules have it.
static bool is_null(lua_State *L, int index) {
  return lua_islightuserdata(L, index) && lua_touserdata(L, index) == NULL;
}

// Reads a value; false when it is of a type that SQL does not know. The text is the Lua string's.
static bool value_read(lua_State *L, int index, struct tg_value *value) {
  *value = (struct tg_value){.type = TG_VALUE_NULL};
  switch (lua_type(L, index)) {
  case LUA_TNIL:
    return true;
  case LUA_TLIGHTUSERDATA:
    return is_null(L, index);
  case LUA_TBOOLEAN:
    value->type = TG_VALUE_BOOL;
    value->integer = lua_toboolean(L, index);
    return true;
  case LUA_TNUMBER:
    value->type = lua_isinteger(L, index) ? TG_VALUE_INT : TG_VALUE_REAL;
    value->integer = lua_tointeger(L, index);
    value->real = lua_tonumber(L, index);
    return true;
  case LUA_TSTRING:
    value->type = TG_VALUE_TEXT;
    value->text.data = lua_tolstring(L, index, &value->text.len);
    return true;
  default:
    return false;
  }
}

// Puts a string argument that must not contain a zero byte.
static void text_put(lua_State *L, int arg, struct tg_buf *body) {
  size_t len;
  const char *text = luaL_checklstring(L, arg, &len);
  if (strlen(text) != len) mistake(L, "a statement, name or option has a zero byte");
  tg_wire_put_text(body, text);
}

// Starts a request: the body lies on top of the stack, behind the arguments.
static struct tg_buf *request_begin(lua_State *L, int args, enum tg_sql_op op) {
  lua_settop(L, args);
  luaL_checkstack(L, 16, NULL);
  struct tg_buf *body = tg_lua_new_body(L);
  tg_wire_put_u8(body, (uint8_t)op);
  text_put(L, 1, body);
  return body;
}

static void list_put(lua_State *L, int arg, lua_Unsigned count, struct tg_buf *body) {
  tg_wire_put_u8(body, 1);
  tg_wire_put_u32(body, (uint32_t)count);
  for (lua_Unsigned i = 1; i <= count; i++) {
    struct tg_value value;
    if (lua_rawgeti(L, arg, (lua_Integer)i) == LUA_TNIL)
      mistake(L, "parameter %lld is missing; use sql.null for NULL", (long long)i);
    if (!value_read(L, -1, &value))
      mistake(L, "parameter %lld is a %s; SQL knows strings, numbers, booleans and sql.null",
              (long long)i, luaL_typename(L, -1));
    tg_wire_put_value(body, &value);
    lua_pop(L, 1);
  }
}

static void named_put(lua_State *L, int arg, uint32_t count, struct tg_buf *body) {
  tg_wire_put_u8(body, 2);
  tg_wire_put_u32(body, count);
  for (lua_pushnil(L); lua_next(L, arg); lua_pop(L, 1)) {
    struct tg_value value;
    const char *name = lua_tostring(L, -2); // a string already
    if (strlen(name) != lua_rawlen(L, -2)) mistake(L, "a parameter's name has a zero byte");
    if (!value_read(L, -1, &value))
      mistake(L, "parameter :%.100s is a %s; SQL knows strings, numbers, booleans and sql.null",
              name, luaL_typename(L, -1));
    tg_wire_put_text(body, name);
    tg_wire_put_value(body, &value);
  }
}

// Puts the parameters: nothing, a list, or a table by names.
static void params_put(lua_State *L, int arg, struct tg_buf *body) {
  if (lua_isnoneornil(L, arg)) {
    tg_wire_put_u8(body, 0);
    return;
  }
  if (!lua_istable(L, arg))
    mistake(L, "the parameters are a %s, not a table", luaL_typename(L, arg));
  uint32_t names = 0;
  lua_Integer most = 0;
  for (lua_pushnil(L); lua_next(L, arg); lua_pop(L, 1)) {
    if (lua_type(L, -2) == LUA_TSTRING)
      names++;
    else if (lua_isinteger(L, -2) && lua_tointeger(L, -2) > 0)
      most = lua_tointeger(L, -2) > most ? lua_tointeger(L, -2) : most;
    else
      mistake(L, "parameters are a list, or a table by names");
  }
  if (names && most) mistake(L, "parameters are a list or have names, not both");
  if (names)
    named_put(L, arg, names, body);
  else if (most)
    list_put(L, arg, (lua_Unsigned)most, body);
  else
    tg_wire_put_u8(body, 0);
}

static int reply_nothing(lua_State *L, const struct tg_error *err, struct tg_reader *body) {
  (void)body;
  if (err) return tg_lua_fail(L, err);
  lua_pushboolean(L, 1);
  return 1;
}

static int reply_changes(lua_State *L, const struct tg_error *err, struct tg_reader *body) {
  if (err) return tg_lua_fail(L, err);
  lua_createtable(L, 0, 1);
  lua_pushinteger(L, tg_wire_get_i64(body));
  lua_setfield(L, -2, "changes");
  return 1;
}

static int reply_rows_loaded(lua_State *L, const struct tg_error *err, struct tg_reader *body) {
  if (err) return tg_lua_fail(L, err);
  bool has_rejected = body->end - body->at > (ptrdiff_t)sizeof(int64_t);
  lua_createtable(L, 0, 2);
  lua_pushinteger(L, tg_wire_get_i64(body));
  lua_setfield(L, -2, "rows");
  if (!has_rejected) return 1;
  lua_pushinteger(L, tg_wire_get_i64(body));
  lua_setfield(L, -2, "rejected");
  return 1;
}

static void value_push(lua_State *L, const struct tg_value *value) {
  switch (value->type) {
  case TG_VALUE_NULL:
    lua_pushnil(L);
    break;
  case TG_VALUE_INT:
    lua_pushinteger(L, value->integer);
    break;
  case TG_VALUE_REAL:
    lua_pushnumber(L, value->real);
    break;
  case TG_VALUE_BOOL:
    lua_pushboolean(L, value->integer != 0);
    break;
  case TG_VALUE_TEXT:
    lua_pushlstring(L, value->text.data, value->text.len);
    break;
  }
}

// Pushes the list of rows, each a table by the names in the list at `columns`.
static void rows_push(lua_State *L, int columns, uint32_t width, struct tg_reader *body) {
  uint32_t count = tg_wire_get_count(body, width);
  lua_createtable(L, (int)count, 0);
  for (uint32_t i = 1; i <= count; i++) {
    lua_createtable(L, 0, (int)width);
    for (uint32_t j = 1; j <= width; j++) {
      struct tg_value value = tg_wire_get_value(body);
      if (value.type == TG_VALUE_NULL) continue;
      lua_rawgeti(L, columns, j);
      value_push(L, &value);
      lua_rawset(L, -3);
    }
    lua_rawseti(L, -2, i);
  }
}

static int reply_rows(lua_State *L, const struct tg_error *err, struct tg_reader *body) {
  if (err) return tg_lua_fail(L, err);
  luaL_checkstack(L, 16, NULL);
  uint32_t width = tg_wire_get_count(body, 5);
  lua_createtable(L, (int)width, 0);
  int columns = lua_gettop(L);
  for (uint32_t i = 1; i <= width; i++) {
    lua_pushstring(L, tg_wire_get_text(body));
    lua_rawseti(L, columns, i);
  }
  rows_push(L, columns, width, body);
  lua_insert(L, columns);
  return 2;
}

static int statement_request(lua_State *L, enum tg_sql_op op, tg_world_reply *reply) {
  struct tg_buf *body = request_begin(L, 3, op);
  text_put(L, 2, body);
  params_put(L, 3, body);
  return tg_world_request(L, TG_REQUEST_SQL, body, reply);
}

static int l_sql_exec(lua_State *L) {
  return statement_request(L, TG_SQL_EXEC, reply_changes);
}

static int l_sql_query(lua_State *L) {
  return statement_request(L, TG_SQL_QUERY, reply_rows);
}

static int transaction_request(lua_State *L, enum tg_sql_op op) {
  return tg_world_request(L, TG_REQUEST_SQL, request_begin(L, 1, op), reply_nothing);
}

static int l_sql_begin(lua_State *L) {
  return transaction_request(L, TG_SQL_BEGIN);
}

static int l_sql_commit(lua_State *L) {
  return transaction_request(L, TG_SQL_COMMIT);
}

static int l_sql_rollback(lua_State *L) {
  return transaction_request(L, TG_SQL_ROLLBACK);
}

// Pushes the i-th string of a list; the message says which list it is.
static const char *name_at(lua_State *L, int list, lua_Integer i, const char *what) {
  if (lua_rawgeti(L, list, i) != LUA_TSTRING)
    mistake(L, "%s %lld is a %s, not a string", what, (long long)i, luaL_typename(L, -1));
  const char *name = lua_tostring(L, -1);
  if (strlen(name) != lua_rawlen(L, -1)) mistake(L, "%s %lld has a zero byte", what, (long long)i);
  return name;
}

// Puts the columns of the list at `columns`, each with its type out of the table at `types`.
static void columns_put(lua_State *L, int columns, int types, struct tg_buf *body) {
  lua_Integer count = (lua_Integer)lua_rawlen(L, columns);
  tg_wire_put_u32(body, (uint32_t)count);
  for (lua_Integer i = 1; i <= count; i++) {
    const char *name = name_at(L, columns, i, "column");
    tg_wire_put_text(body, name);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, types) != LUA_TNIL && lua_type(L, -1) != LUA_TSTRING)
      mistake(L, "the type of column '%.100s' is a %s, not a string", name, luaL_typename(L, -1));
    tg_wire_put_text(body, lua_tostring(L, -1));
    lua_pop(L, 2);
  }
}

// Puts one row: by the names of the columns if it is keyed, else by position.
static void row_put(lua_State *L, lua_Integer row, int columns, bool is_keyed, lua_Integer width,
                    struct tg_buf *body) {
  for (lua_Integer i = 1; i <= width; i++) {
    struct tg_value value;
    if (is_keyed) {
      lua_rawgeti(L, columns, i);
      lua_rawget(L, -2);
    } else {
      lua_rawgeti(L, -1, i);
    }
    if (!value_read(L, -1, &value)) {
      const char *type = luaL_typename(L, -1);
      mistake(
          L, "row %lld, column '%.100s' is a %s; SQL knows strings, numbers, booleans and sql.null",
          (long long)row, name_at(L, columns, i, "column"), type);
    }
    tg_wire_put_value(body, &value);
    lua_pop(L, 1);
  }
}

static void rows_put(lua_State *L, int rows, int columns, bool is_keyed, struct tg_buf *body) {
  lua_Integer count = (lua_Integer)lua_rawlen(L, rows);
  lua_Integer width = (lua_Integer)lua_rawlen(L, columns);
  tg_wire_put_u32(body, (uint32_t)count);
  for (lua_Integer i = 1; i <= count && !body->is_failed; i++) {
    if (lua_rawgeti(L, rows, i) != LUA_TTABLE)
      mistake(L, "row %lld is a %s, not a table", (long long)i, luaL_typename(L, -1));
    row_put(L, i, columns, is_keyed, width, body);
    lua_pop(L, 1);
  }
}

// load(connection, table, columns, types, rows, is_keyed, replace)
static int l_sql_load(lua_State *L) {
  for (int arg = 3; arg <= 5; arg++) luaL_checktype(L, arg, LUA_TTABLE);
  struct tg_buf *body = request_begin(L, 7, TG_SQL_LOAD);
  text_put(L, 2, body);
  tg_wire_put_u8(body, lua_toboolean(L, 7) ? TG_SQL_FLAG_REPLACE : 0);
  columns_put(L, 3, 4, body);
  rows_put(L, 5, 3, lua_toboolean(L, 6), body);
  return tg_world_request(L, TG_REQUEST_SQL, body, reply_rows_loaded);
}

static void names_put(lua_State *L, int names, struct tg_buf *body) {
  lua_Integer count = (lua_Integer)lua_rawlen(L, names);
  tg_wire_put_u32(body, (uint32_t)count);
  for (lua_Integer i = 1; i <= count; i++) {
    tg_wire_put_text(body, name_at(L, names, i, "column"));
    lua_pop(L, 1);
  }
}

// load_csv(connection, table, path, header, replace, delimiter, quote, null, columns, typed
// columns,
//          types, quarantine); the typed columns are the keys of the types, as a list
static int l_sql_load_csv(lua_State *L) {
  for (int arg = 9; arg <= 11; arg++) luaL_checktype(L, arg, LUA_TTABLE);
  struct tg_buf *body = request_begin(L, 12, TG_SQL_LOAD_CSV);
  text_put(L, 2, body);
  text_put(L, 3, body);
  tg_wire_put_u8(body, (uint8_t)((lua_toboolean(L, 4) ? TG_SQL_FLAG_HEADER : 0) |
                                 (lua_toboolean(L, 5) ? TG_SQL_FLAG_REPLACE : 0)));
  for (int arg = 6; arg <= 8; arg++) text_put(L, arg, body);
  names_put(L, 9, body);
  columns_put(L, 10, 11, body);
  text_put(L, 12, body);
  return tg_world_request(L, TG_REQUEST_SQL, body, reply_rows_loaded);
}

void tg_sql_module_push(lua_State *L, struct tg_world *world) {
  static const luaL_Reg functions[] = {{"exec", l_sql_exec},         {"query", l_sql_query},
                                       {"begin", l_sql_begin},       {"commit", l_sql_commit},
                                       {"rollback", l_sql_rollback}, {"load", l_sql_load},
                                       {"load_csv", l_sql_load_csv}, {NULL, NULL}};
  tg_world_new_module(L, functions, world);
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, -2, "null");
}
