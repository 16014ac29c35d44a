// SPDX-License-Identifier: Apache-2.0
// tidegate.http: requests, done by the host. lua/tidegate/meta/http.lua describes it for editors;
// the bodies of request and reply are those of http/service.h.
#pragma once

#include <lua.h>

#include "script/world.h"

/// Pushes the module's table; its functions ask `world`.
///
/// Shape:  get, head, post, put, patch, delete, options (url, options?) -> response | nil, err
///         request {method =, url =, ...} -> the same
///         secret(name) -> a handle for values of headers
/// Errors: a wrong argument raises; a failure of the world is nil and an error. A status is no
///         failure: response:check() makes one of it.
void tg_http_module_push(lua_State *L, struct tg_world *world);
