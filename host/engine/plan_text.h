// SPDX-License-Identifier: Apache-2.0
// Finding the tasks in a plan's text without parsing it. A parsed task takes ten times the memory
// of its text, so that plans of many tasks are parsed one task after the other.
//
// Nothing is checked here beyond what finding needs: brackets and strings. Whether the parts are
// JSON is told by whoever parses them.
#pragma once

#include <stdbool.h>
#include <stddef.h>

/// A part of a text.
struct tg_plan_span {
  const char *at, *end;
};

/// Finds the value of a member of the object that the text is; false if the text is no object, has
/// no such member or ends before it is over.
bool tg_plan_span_member(struct tg_plan_span text, const char *name, struct tg_plan_span *value);

/// Takes the next item off a list. Give the whole list first, brackets included, and then what the
/// call left of it.
///
/// Shape:  false at the end, and for a text that is no list
bool tg_plan_span_next(struct tg_plan_span *list, struct tg_plan_span *item);
