// SPDX-License-Identifier: Apache-2.0
// tidegate.store: the key-value state of a pipeline. Values are plain data, kept as JSON; a change
// is durable when the call returns.
// The bodies of TG_REQUEST_KV are described in store/kv_service.h.
#pragma once

#include "script/world.h"

/// Pushes the module's table; its functions ask `world`.
///
/// Shape:  get(key) -> value, version | nil
///         put(key, value, {ttl = "1h"}?) -> true
///         delete(key) -> whether it was there
///         list(prefix, {limit = 1000}?) -> {{key =, value =, version =}, ...}, sorted by key
///         cas(key, expected | nil, value, {ttl =}?) -> true | false, current
/// Errors: a wrong argument raises; a failure of the store is nil and an error
void tg_store_module_push(lua_State *L, struct tg_world *world);
