// SPDX-License-Identifier: Apache-2.0
#include "script/yaml_module.h"

#include <lauxlib.h>

#include "model/yaml.h"
#include "script/lua_error.h"

#define DOCUMENT_TYPE "tidegate.yaml_document"

static int l_document_gc(lua_State *L) {
  tg_yaml_deinit(luaL_checkudata(L, 1, DOCUMENT_TYPE));
  return 0;
}

// Makes a document that Lua frees, whatever is raised from here on.
static struct tg_yaml_document *document_new(lua_State *L) {
  struct tg_yaml_document *document = lua_newuserdatauv(L, sizeof *document, 0);
  *document = (struct tg_yaml_document){0};
  if (luaL_newmetatable(L, DOCUMENT_TYPE)) {
    lua_pushcfunction(L, l_document_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  return document;
}

// Pushes the table of a place without its children.
static void place_push(lua_State *L, const struct tg_yaml_place *place, const char *kind) {
  lua_createtable(L, 0, 4);
  lua_pushinteger(L, place->line);
  lua_setfield(L, -2, "line");
  lua_pushinteger(L, place->column);
  lua_setfield(L, -2, "column");
  lua_pushstring(L, kind);
  lua_setfield(L, -2, "kind");
}

static void scalar_push(lua_State *L, const json_t *value) {
  switch (json_typeof(value)) {
  case JSON_TRUE:
  case JSON_FALSE:
    lua_pushboolean(L, json_is_true(value));
    break;
  case JSON_INTEGER:
    lua_pushinteger(L, json_integer_value(value));
    break;
  case JSON_REAL:
    lua_pushnumber(L, json_real_value(value));
    break;
  case JSON_STRING:
    lua_pushlstring(L, json_string_value(value), json_string_length(value));
    break;
  default:
    lua_pushlightuserdata(L, NULL);
  }
}

static void value_push(lua_State *L, json_t *value, const struct tg_yaml_place *place);

// With a value, its place and the places of its children on top of the stack, adds the items to
// the first and the last.
static void items_push(lua_State *L, json_t *array, const struct tg_yaml_place *place) {
  for (size_t i = 0; i < json_array_size(array); i++, place = place->next) {
    value_push(L, json_array_get(array, i), place);
    lua_rawseti(L, -3, (lua_Integer)i + 1); // the child's place
    lua_rawseti(L, -4, (lua_Integer)i + 1); // the child
  }
}

static void members_push(lua_State *L, json_t *object, const struct tg_yaml_place *first) {
  const char *key;
  json_t *member;
  const struct tg_yaml_place *place = first;
  json_object_foreach(object, key, member) {
    value_push(L, member, place);
    lua_setfield(L, -3, key);
    lua_setfield(L, -4, key);
    place = place->next;
  }
}

// Pushes a value and its place. Recurses TG_YAML_DEPTH_MAX deep at most.
static void value_push(lua_State *L, json_t *value, const struct tg_yaml_place *place) {
  luaL_checkstack(L, 6, "a YAML document");
  bool is_array = json_is_array(value);
  if (!is_array && !json_is_object(value)) {
    scalar_push(L, value);
    place_push(L, place, "scalar");
    return;
  }
  lua_newtable(L);
  place_push(L, place, is_array ? "sequence" : "mapping");
  lua_newtable(L);
  if (is_array)
    items_push(L, value, place->first);
  else
    members_push(L, value, place->first);
  lua_setfield(L, -2, "children");
}

static int l_yaml_parse(lua_State *L) {
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  const char *name = luaL_checkstring(L, 2);
  struct tg_yaml_document *document = document_new(L);
  struct tg_error err = {0};
  if (tg_yaml_parse(text, len, name, document, &err) != TG_OK) return tg_lua_fail(L, &err);
  value_push(L, document->root, document->place);
  tg_yaml_deinit(document);
  return 2;
}

static const luaL_Reg yaml_functions[] = {{"parse", l_yaml_parse}, {NULL, NULL}};

void tg_yaml_module_push(lua_State *L) {
  luaL_newlib(L, yaml_functions);
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, -2, "null");
}

int luaopen_tidegate__yaml(lua_State *L) {
  tg_yaml_module_push(L);
  return 1;
}
