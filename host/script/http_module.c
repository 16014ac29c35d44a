// SPDX-License-Identifier: Apache-2.0
#include "script/http_module.h"

#include <string.h>

#include "base/limits.h"
#include "base/units.h"
#include "http/request.h"
#include "script/json_module.h"
#include "script/lua_body.h"
#include "script/lua_error.h"
#include "script/lua_option.h"
#include "script/secret.h"
#include "script/urlencode.h"

#define RESPONSE "tidegate.http.response"

enum { WAIT_MS_MAX = 24 * 3600 * 1000 };

// The first two are words of http.request alone.
static const char *const words[] = {
    "method", "url",     "headers",         "body",         "json",      "form",
    "query",  "timeout", "connect_timeout", "idle_timeout", "max_bytes", "redirects"};

static const struct tg_lua_words request_words = {"http.request: option", words,
                                                  sizeof words / sizeof *words};
static const struct tg_lua_words option_words = {"http: option", words + 2,
                                                 sizeof words / sizeof *words - 2};

// --- Numbers with units ---

static int64_t wait_read(lua_State *L, int options, const char *name) {
  int64_t ms = 0;
  int type = lua_getfield(L, options, name);
  if (type == LUA_TNIL) {
    lua_pop(L, 1);
    return 0;
  }
  bool ok = type == LUA_TSTRING && tg_duration_parse(lua_tostring(L, -1), &ms);
  if (lua_isinteger(L, -1)) {
    ms = lua_tointeger(L, -1);
    ok = true;
  }
  if (!ok || ms <= 0 || ms > WAIT_MS_MAX)
    luaL_error(L,
               "http: %s must be a duration such as \"30s\", or ms as an integer, "
               "between 1ms and 24h",
               name);
  lua_pop(L, 1);
  return ms;
}

static int64_t size_read(lua_State *L, int options) {
  int64_t bytes = 0;
  int type = lua_getfield(L, options, "max_bytes");
  bool ok = type == LUA_TNIL || (type == LUA_TSTRING && tg_size_parse(lua_tostring(L, -1), &bytes));
  if (lua_isinteger(L, -1)) {
    bytes = lua_tointeger(L, -1);
    ok = true;
  }
  if (!ok || bytes < 0 || (type != LUA_TNIL && bytes == 0))
    luaL_error(L, "http: max_bytes must be a size such as \"16MiB\", or bytes as an integer");
  lua_pop(L, 1);
  return bytes;
}

static uint32_t redirects_read(lua_State *L, int options) {
  lua_Integer count = TG_HTTP_REDIRECTS_MAX;
  if (lua_getfield(L, options, "redirects") != LUA_TNIL) {
    count = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : -1;
    if (count < 0 || count > TG_HTTP_REDIRECTS_MAX)
      luaL_error(L, "http: redirects must be an integer between 0 and %d", TG_HTTP_REDIRECTS_MAX);
  }
  lua_pop(L, 1);
  return (uint32_t)count;
}

// --- URL, body and headers ---

// Pushes the field if it is a table, and says whether it was there.
static bool push_table(lua_State *L, int options, const char *name) {
  int type = lua_getfield(L, options, name);
  if (type == LUA_TTABLE) return true;
  if (type != LUA_TNIL)
    luaL_error(L, "http: %s must be a table, not a %s", name, lua_typename(L, type));
  lua_pop(L, 1);
  return false;
}

// Pushes the URL with the query behind it, before a fragment.
static void push_url(lua_State *L, int url, int options) {
  size_t len;
  const char *text = lua_tolstring(L, url, &len);
  if (strlen(text) != len) luaL_error(L, "http: the URL has a zero byte");
  if (!push_table(L, options, "query")) {
    lua_pushvalue(L, url);
    return;
  }
  tg_lua_push_pairs(L, lua_gettop(L), "query");
  size_t head = strcspn(text, "#");
  bool has_query = memchr(text, '?', head) != NULL;
  lua_pushlstring(L, text, head);
  lua_pushstring(L, *lua_tostring(L, -2) ? (has_query ? "&" : "?") : "");
  lua_pushvalue(L, -3);
  lua_pushstring(L, text + head);
  lua_concat(L, 4);
  lua_replace(L, -3);
  lua_pop(L, 1);
}

static void push_json(lua_State *L, int value) {
  struct tg_json_caps caps = tg_json_caps_default();
  struct tg_error err;
  struct tg_json_format format = {.is_sorted = true};
  if (tg_lua_json_push_text(L, value, &caps, format, &err) != 0)
    luaL_error(L, "http: json: %s", err.text);
}

// Pushes the body, or nil, and gives the content type that goes with it.
static const char *push_body(lua_State *L, int options) {
  static const char *const kinds[] = {"body", "json", "form"};
  int given = -1;
  lua_pushnil(L);
  for (int i = 0; i < 3; i++) {
    if (lua_getfield(L, options, kinds[i]) == LUA_TNIL) {
      lua_pop(L, 1);
      continue;
    }
    if (given >= 0) luaL_error(L, "http: %s and %s exclude one another", kinds[given], kinds[i]);
    given = i;
    lua_replace(L, -2);
  }
  int value = lua_gettop(L);
  if (given < 0) return NULL;
  if (given == 0) {
    if (lua_type(L, value) != LUA_TSTRING)
      luaL_error(L, "http: body must be a string, not a %s; see json and form",
                 luaL_typename(L, value));
    return NULL;
  }
  if (given == 1) {
    push_json(L, value);
  } else {
    if (!lua_istable(L, value)) luaL_error(L, "http: form must be a table");
    tg_lua_push_pairs(L, value, "form");
  }
  lua_replace(L, value);
  return given == 1 ? "application/json" : "application/x-www-form-urlencoded";
}

static bool name_is(const struct tg_lua_key *name, const char *other) {
  if (name->len != strlen(other)) return false;
  for (size_t i = 0; i < name->len; i++) {
    char c = name->text[i];
    if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != other[i]) return false;
  }
  return true;
}

static void header_put(lua_State *L, int table, const struct tg_lua_key *name,
                       struct tg_buf *body) {
  tg_wire_put_text(body, name->text);
  lua_pushlstring(L, name->text, name->len);
  lua_rawget(L, table);
  if (strlen(name->text) != name->len || !tg_lua_put_parts(L, -1, body))
    luaL_error(L, "http: header '%s' is a %s, not a string, number or secret", name->text,
               luaL_typename(L, -1));
  lua_pop(L, 1);
}

static void headers_put(lua_State *L, int options, const char *content_type, struct tg_buf *body) {
  size_t count = 0;
  struct tg_lua_key *names = NULL;
  int top = lua_gettop(L);
  if (push_table(L, options, "headers")) names = tg_lua_sort_keys(L, top + 1, "headers", &count);
  bool has_type = false;
  for (size_t i = 0; i < count; i++) has_type = has_type || name_is(&names[i], "content-type");
  bool adds_type = content_type && !has_type;
  tg_wire_put_u32(body, (uint32_t)(count + adds_type));
  for (size_t i = 0; i < count; i++) header_put(L, top + 1, &names[i], body);
  if (adds_type) {
    tg_wire_put_text(body, "content-type");
    tg_wire_put_u32(body, 1);
    tg_wire_put_u8(body, 0);
    tg_wire_put_text(body, content_type);
  }
  lua_settop(L, top);
}

// --- The response ---

// Adds a header to the map on top of the stack; one that is there already is continued.
static void header_add(lua_State *L, const char *name, struct tg_slice value) {
  if (lua_getfield(L, -1, name) == LUA_TSTRING) {
    lua_pushliteral(L, ", ");
    lua_pushlstring(L, value.data, value.len);
    lua_concat(L, 3);
  } else {
    lua_pop(L, 1);
    lua_pushlstring(L, value.data, value.len);
  }
  lua_setfield(L, -2, name);
}

static void push_headers(lua_State *L, struct tg_reader *in) {
  uint32_t count = tg_wire_get_count(in, 10);
  lua_newtable(L);
  for (uint32_t i = 0; i < count && !in->is_failed; i++) {
    const char *name = tg_wire_get_text(in);
    header_add(L, name, tg_wire_get_bytes(in));
  }
}

static int code_of(lua_Integer status) {
  switch (status) {
  case 401:
  case 403:
    return TG_EDENIED;
  case 404:
  case 410:
    return TG_ENOT_FOUND;
  case 409:
  case 412:
    return TG_ECONFLICT;
  default:
    return TG_EREMOTE;
  }
}

// Pushes nil and the error that the status of a response is, or nothing if it is none.
static int status_fail(lua_State *L, int response) {
  lua_getfield(L, response, "status");
  lua_getfield(L, response, "class");
  lua_getfield(L, response, "retry_after");
  lua_getfield(L, response, "url");
  lua_Integer status = lua_tointeger(L, -4);
  int class = lua_isstring(L, -3) ? tg_class_parse(lua_tostring(L, -3)) : -1;
  if (class <= TG_CLASS_NONE) return 0;
  char shown[200];
  struct tg_error err;
  tg_http_url_show(luaL_checkstring(L, -1), shown, sizeof shown);
  int code = class == TG_CLASS_THROTTLED ? TG_ETHROTTLED : code_of(status);
  tg_error_set(&err, code, "%s answered with status %d", shown, (int)status);
  err.class = (enum tg_class) class;
  err.retry_after_ms = (int64_t)(lua_tonumber(L, -2) * 1000);
  return tg_lua_fail(L, &err);
}

static int l_response_check(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  int count = status_fail(L, 1);
  if (count) return count;
  lua_settop(L, 1);
  return 1;
}

static int l_response_json(lua_State *L) {
  struct tg_json_caps caps = tg_json_caps_default();
  struct tg_error err, told;
  size_t len;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_getfield(L, 1, "body");
  lua_getfield(L, 1, "url");
  const char *text = luaL_checklstring(L, -2, &len), *url = luaL_checkstring(L, -1);
  if (tg_lua_json_push(L, text, len, &caps, &err) == 0) return 1;
  // What a server says when it fails is seldom JSON; that it failed is then what there is to know.
  int count = status_fail(L, 1);
  if (count) return count;
  char shown[200];
  tg_http_url_show(url, shown, sizeof shown);
  tg_error_set(&told, err.code, "the response of %s is not JSON: %s", shown, err.text);
  return tg_lua_fail(L, &told);
}

static const luaL_Reg response_methods[] = {
    {"json", l_response_json},
    {"check", l_response_check},
    {NULL, NULL},
};

static void response_wrap(lua_State *L) {
  if (luaL_newmetatable(L, RESPONSE)) {
    luaL_newlib(L, response_methods);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
  }
  lua_setmetatable(L, -2);
}

static int reply_response(lua_State *L, const struct tg_error *err, struct tg_reader *in) {
  if (err) return tg_lua_fail(L, err);
  uint32_t status = tg_wire_get_u32(in);
  lua_createtable(L, 0, 8);
  lua_pushinteger(L, status);
  lua_setfield(L, -2, "status");
  lua_pushboolean(L, status < 400);
  lua_setfield(L, -2, "ok");
  push_headers(L, in);
  lua_setfield(L, -2, "headers");
  struct tg_slice body = tg_wire_get_bytes(in);
  lua_pushlstring(L, body.data, body.len);
  lua_setfield(L, -2, "body");
  lua_pushstring(L, tg_wire_get_text(in));
  lua_setfield(L, -2, "url");
  lua_pushinteger(L, tg_wire_get_i64(in));
  lua_setfield(L, -2, "elapsed_ms");
  uint8_t class = tg_wire_get_u8(in);
  int64_t retry_after_ms = tg_wire_get_i64(in);
  if (!tg_reader_is_done(in)) return luaL_error(L, "http: the reply is malformed");
  if (class > TG_CLASS_NONE && class < TG_CLASS_COUNT) {
    lua_pushstring(L, tg_class_word((enum tg_class) class));
    lua_setfield(L, -2, "class");
  }
  if (retry_after_ms > 0) {
    lua_pushnumber(L, (lua_Number)retry_after_ms / 1000);
    lua_setfield(L, -2, "retry_after");
  }
  response_wrap(L);
  return 1;
}

// --- The request ---

// Encodes and sends; the URL is at 1, the options (a table) at 2.
static int request_send(lua_State *L, const char *method) {
  enum { URL = 1, OPTIONS, TARGET, CONTENT, BODY };
  luaL_checkstack(L, 32, NULL);
  lua_settop(L, OPTIONS);
  push_url(L, URL, OPTIONS);
  const char *content_type = push_body(L, OPTIONS);
  struct tg_buf *body = tg_lua_new_body(L);
  tg_wire_put_text(body, method);
  tg_wire_put_text(body, lua_tostring(L, TARGET));
  headers_put(L, OPTIONS, content_type, body);
  size_t len = 0;
  const char *content = lua_tolstring(L, CONTENT, &len); // NULL for nil
  tg_wire_put_u8(body, content != NULL);
  tg_wire_put_bytes(body, content ? content : "", len);
  tg_wire_put_i64(body, wait_read(L, OPTIONS, "connect_timeout"));
  tg_wire_put_i64(body, wait_read(L, OPTIONS, "timeout"));
  tg_wire_put_i64(body, wait_read(L, OPTIONS, "idle_timeout"));
  tg_wire_put_i64(body, size_read(L, OPTIONS));
  tg_wire_put_u32(body, redirects_read(L, OPTIONS));
  return tg_world_request(L, TG_REQUEST_HTTP, body, reply_response);
}

static int method_call(lua_State *L, const char *method) {
  luaL_checktype(L, 1, LUA_TSTRING);
  lua_settop(L, 2);
  if (lua_isnil(L, 2)) {
    lua_newtable(L);
    lua_replace(L, 2);
  }
  luaL_checktype(L, 2, LUA_TTABLE);
  tg_lua_option_check(L, 2, &option_words);
  return request_send(L, method);
}

static int l_http_get(lua_State *L) {
  return method_call(L, "GET");
}

static int l_http_head(lua_State *L) {
  return method_call(L, "HEAD");
}

static int l_http_post(lua_State *L) {
  return method_call(L, "POST");
}

static int l_http_put(lua_State *L) {
  return method_call(L, "PUT");
}

static int l_http_patch(lua_State *L) {
  return method_call(L, "PATCH");
}

static int l_http_delete(lua_State *L) {
  return method_call(L, "DELETE");
}

static int l_http_options(lua_State *L) {
  return method_call(L, "OPTIONS");
}

static int l_http_request(lua_State *L) {
  static const char *const methods[] = {"GET",   "HEAD",   "POST",    "PUT",
                                        "PATCH", "DELETE", "OPTIONS", NULL};
  luaL_checktype(L, 1, LUA_TTABLE);
  tg_lua_option_check(L, 1, &request_words);
  lua_settop(L, 1);
  if (lua_getfield(L, 1, "url") != LUA_TSTRING)
    return luaL_error(L, "http.request: url must be a string, not a %s", luaL_typename(L, -1));
  lua_insert(L, 1);
  lua_getfield(L, 2, "method");
  const char *method = "GET";
  if (!lua_isnil(L, 3)) {
    method = lua_isstring(L, 3) ? lua_tostring(L, 3) : "";
    size_t i = 0;
    while (methods[i] && strcmp(methods[i], method) != 0) i++;
    if (!methods[i])
      return luaL_error(L,
                        "http.request: method '%s' is none of GET, HEAD, POST, PUT, PATCH, "
                        "DELETE, OPTIONS",
                        method);
    method = methods[i];
  }
  return request_send(L, method);
}

static int l_http_secret(lua_State *L) {
  size_t len;
  const char *name = luaL_checklstring(L, 1, &len);
  const char *known = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
  if (len == 0 || strspn(name, known) != len)
    return luaL_error(L, "tg.secret takes the name of a secret: letters, digits and _");
  tg_lua_push_secret(L, name);
  return 1;
}

static const luaL_Reg http_functions[] = {
    {"get", l_http_get},         {"head", l_http_head},
    {"post", l_http_post},       {"put", l_http_put},
    {"patch", l_http_patch},     {"delete", l_http_delete},
    {"options", l_http_options}, {"request", l_http_request},
    {"secret", l_http_secret},   {NULL, NULL},
};

void tg_http_module_push(lua_State *L, struct tg_world *world) {
  tg_world_new_module(L, http_functions, world);
}
