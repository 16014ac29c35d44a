// SPDX-License-Identifier: Apache-2.0
// Ids: UUID version 7, which sort by the time they were made.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

enum { TG_ID_TEXT_LEN = 36 };

struct tg_id {
  uint8_t bytes[16];
};

/// Makes a new id from the wall clock and the system's random numbers; within one process ids
/// made in the same millisecond still sort in the order in which they were made.
///
/// Source: RFC 9562 section 5.7, with the counter of section 6.2 method 1. Not thread-safe.
struct tg_id tg_id_new(const struct tg_clock *clock);

/// Writes the 36 characters and a NUL.
void tg_id_format(struct tg_id id, char text[TG_ID_TEXT_LEN + 1]);

/// Reads an id from its 36 characters; false when the text is none.
bool tg_id_parse(const char *text, struct tg_id *id);

bool tg_id_equal(struct tg_id a, struct tg_id b);
