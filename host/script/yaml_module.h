// SPDX-License-Identifier: Apache-2.0
// `tidegate._yaml`, for library code only: reads YAML. It needs no world, so it is the same in a
// script worker and in plain lua5.4.
//
//   _yaml.parse(text, name) -> value, place | nil, err
//   _yaml.null                 what null is in a value
//
// A place is a table with `line`, `column`, `kind` ("mapping", "sequence" or "scalar") and, of a
// mapping or sequence, `children`: the places of its members or items by key or index.
#pragma once

#include <lua.h>

/// Pushes the module's table.
void tg_yaml_module_push(lua_State *L);

/// The same for `require` of plain lua5.4.
__attribute__((visibility("default"))) int luaopen_tidegate__yaml(lua_State *L);
