// SPDX-License-Identifier: Apache-2.0
// The key-value state of a pipeline (tidegate.store): served on the store's thread inside the same
// group commits as the records, so an answer to a write means that it is durable.
//
// Request: u8 operation, text key, then
//   GET -, DELETE -
//   PUT    bytes value (JSON), i64 ttl_ms (0: none)
//   LIST   u32 limit (the key is the prefix)
//   CAS    u8 has_expected, bytes expected, bytes value, i64 ttl_ms
// Reply:
//   GET    u8 found, bytes value, u64 version
//   PUT    u8 1        DELETE u8 changed
//   LIST   u32 count, {text key, bytes value, u64 version}
//   CAS    u8 swapped, u8 found, bytes current
#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "store/store.h"

enum tg_kv_operation { TG_KV_GET, TG_KV_PUT, TG_KV_DELETE, TG_KV_LIST, TG_KV_CAS };

/// Serves one request on the state of `pipeline`. A malformed one is answered before it returns.
///
/// Errors: through `done`: TG_EPROTOCOL, TG_EINVALID (key), TG_ELIMIT (value), or as a commit
typedef void tg_kv_done(void *self, const struct tg_error *err, const struct tg_buf *reply);
void tg_kv_service_call(struct tg_store *store, const char *pipeline, const void *body, size_t len,
                        tg_kv_done *done, void *self);
