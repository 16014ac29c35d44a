// SPDX-License-Identifier: Apache-2.0
// Events: something happened. CloudEvents 1.0 in the JSON format, and the filters by which a run
// waits for one.
//
// Source: CloudEvents 1.0.2, "JSON Event Format" 1.0.2 (structured mode, batches)
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

/// An event. `source` and `id` together say which one it is; one that comes again is the same.
struct tg_event {
  uint64_t number; // the store's, in the order in which they were received, from 1
  const char *id, *source, *type;
  const char *subject; // or NULL
  int64_t time;        // when it happened, 0 if it does not say
  int64_t received_at;
  const char *body; // the whole event, a JSON object
};

/// Reads events: one JSON object, a list of them (a batch), or several of either one after the
/// other (lines). All of them are sound, or none is given.
///
/// Owns:   the events live in the arena
/// Errors: TG_EINVALID, TG_ELIMIT: which event it is, what is wrong, what is right
int tg_events_parse(const char *text, size_t len, struct tg_arena *arena, struct tg_event **events,
                    size_t *count, struct tg_error *err);

/// Which events are waited for.
struct tg_event_filter {
  const char *type;
  const char *source;  // or NULL for any
  const char *subject; // a pattern (base/glob.h), or NULL for any
  json_t *match;       // what fields of the data must be, by their path ("order.id"), or NULL
};

/// Reads a filter out of a document, which must outlive it.
///
/// Shape:  {"type", "source", "subject", "match": {path: text, number or boolean}}
/// Errors: TG_EINVALID
int tg_event_filter_parse(json_t *document, struct tg_event_filter *filter, struct tg_error *err);

/// Gives a field of an event's data by its path, or NULL.
const json_t *tg_event_data_get(const json_t *data, const char *path);

/// Says whether an event is one that is waited for; `data` is the event's, NULL if it has none.
bool tg_event_filter_matches(const struct tg_event_filter *filter, const struct tg_event *event,
                             const json_t *data);
