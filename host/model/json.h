// SPDX-License-Identifier: Apache-2.0
// Reading JSON. jansson answers NULL to a text that is none and to memory that is out; the two must
// not be mixed up, or what is durable would be taken for nothing.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/// Reads a document; `where` may be NULL.
///
/// Owns:   the caller, who frees `*value`, which is NULL after an error
/// Errors: TG_EINVALID, told by `where`; TG_ENOMEM
int tg_json_read(const char *text, size_t len, size_t flags, json_t **value, json_error_t *where);

/// Says whether a text is one JSON value, a scalar too, that can be kept as a string and be read
/// later. Nothing is made of it, so it takes a fraction of the time that reading takes.
///
/// Shape:  nested 2048 deep at most, as jansson's parser has it; NULs as \u0000 only, in strings
bool tg_json_is_value(const char *text, size_t len);
