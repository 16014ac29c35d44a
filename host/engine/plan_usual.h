// SPDX-License-Identifier: Apache-2.0
// The task that large plans are full of, read straight from its text:
//
//   {"after":[1,2],"line":9,"name":"t5","word":"sql"}
//
// with or without "after" and "word", exactly as the library writes it. Any other task is left to a
// parser of JSON, which takes twenty times as long.
#pragma once

#include <stdint.h>

#include "engine/plan_text.h"

/// Parts of the text; numbers in `after` have been looked at, the indexes have not.
struct tg_plan_usual {
  struct tg_plan_span after;      // "1,2", empty for none
  struct tg_plan_span name, word; // the word is empty where none is told
  uint32_t line;
};

/// Takes the next item off a list, as tg_plan_span_next does, if it is such a task; else the list
/// stays as it is.
bool tg_plan_usual_next(struct tg_plan_span *list, struct tg_plan_usual *task);

/// Takes the next index off `after`.
///
/// Shape:  false at the end
bool tg_plan_usual_index(struct tg_plan_span *after, uint32_t *index);
