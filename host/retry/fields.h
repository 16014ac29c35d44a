// SPDX-License-Identifier: Apache-2.0
// A small state as one line of text for the store: a word that names kind and version, then a fixed
// count of whole numbers, with one space before each: "budget1 9800000 1790000000000".
//
// A state has one text only. What is read is what could have been written, to the byte: no sign
// but "-", no leading zero, no space more, nothing after the last number.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/// The room for a text of `count` numbers behind a word of up to 15 bytes, and a NUL.
#define TG_FIELDS_TEXT_MAX(count) (16 + 21 * (count))

/// Writes the text, with a NUL, and gives its length.
size_t tg_fields_encode(const char *word, const int64_t *values, size_t count, char *text);

/// Reads a text that tg_fields_encode wrote with the same word and count.
///
/// Errors: TG_EINVALID, naming the word that was expected or the number that is malformed
int tg_fields_decode(const char *word, const char *text, size_t len, int64_t *values, size_t count,
                     struct tg_error *err);
