// SPDX-License-Identifier: Apache-2.0
// The task that large plans are full of, read straight from its text:
//
//   {"after":[1,2],"line":9,"name":"t5"}
//
// with or without "after", exactly as the library writes it. There may be a rest behind the name,
// which is the same in all tasks that a loop makes; who reads the plan parses it once. Any other
// task is left to a parser of JSON, which takes twenty times as long.
#pragma once

#include <stdint.h>

#include "engine/plan_text.h"

/// Parts of the text; numbers in `after` have been looked at, the indexes have not.
struct tg_plan_usual {
  struct tg_plan_span after; // "1,2", empty for none
  struct tg_plan_span name;
  struct tg_plan_span rest; // from the comma behind the name to the bracket; empty for none
  struct tg_plan_span text; // of all of it
  uint32_t line;
};

/// Takes the next item off a list, as tg_plan_span_next does, if it is such a task; else the list
/// stays as it is. `task` is a zeroed one first, and then what the call before left in it: a rest
/// that is the same again is not searched for its end.
bool tg_plan_usual_next(struct tg_plan_span *list, struct tg_plan_usual *task);

/// Takes the next index off `after`.
///
/// Shape:  false at the end
bool tg_plan_usual_index(struct tg_plan_span *after, uint32_t *index);
