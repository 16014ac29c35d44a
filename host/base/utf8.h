// SPDX-License-Identifier: Apache-2.0
// UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <stdbool.h>
#include <stddef.h>

/// Gives the length in bytes of the valid sequence at `text`, or 0 if there is none.
size_t tg_utf8_length(const char *text, size_t len);

/// Says whether all of `text` is valid.
bool tg_utf8_is_valid(const char *text, size_t len);
