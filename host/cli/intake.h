// SPDX-License-Identifier: Apache-2.0
// Events on their way from the inbox into the store: taken in the order in which they were sent,
// kept once, and told to the runs that wait for them when they are durable. Only then their file
// goes.
#pragma once

#include <stdbool.h>

#include "store/events.h"

struct tg_intake;

/// Is told of events that are durable, those that were known with the number 0; may be NULL.
typedef void tg_intake_told(void *self, const struct tg_event *events, size_t count);

/// Makes an intake, and tidies the inbox up; its owner frees it, after the store is closed.
///
/// Errors: NULL when memory is out
struct tg_intake *tg_intake_new(struct tg_store *store, const char *data,
                                const struct tg_clock *clock, tg_intake_told *told, void *self);
void tg_intake_free(struct tg_intake *intake);

/// Looks whether there are events and begins to take them in; while it is at that it does nothing.
/// A file that has no events in it is put aside.
void tg_intake_look(struct tg_intake *intake);

/// Says whether all that was found is done with.
bool tg_intake_is_idle(const struct tg_intake *intake);
