// SPDX-License-Identifier: Apache-2.0
#include "store/events.h"

#include <stdlib.h>

#include "base/must.h"
#include "store/database.h"
#include "store/job.h"

struct events_job {
  struct tg_job job;
  struct tg_arena arena;
  struct tg_event *events;
  size_t count;
  tg_events_kept *done;
  void *self;
};

static int event_put(sqlite3 *db, sqlite3_stmt *s, struct tg_event *event, struct tg_error *err) {
  tg_bind_text(s, 1, event->id);
  tg_bind_text(s, 2, event->source);
  tg_bind_text(s, 3, event->type);
  tg_bind_text(s, 4, event->subject);
  tg_bind_time(s, 5, event->time);
  sqlite3_bind_int64(s, 6, event->received_at);
  tg_bind_text(s, 7, event->body);
  if (sqlite3_step(s) != SQLITE_DONE) return tg_database_error(db, "cannot keep an event", err);
  event->number = sqlite3_changes(db) ? (uint64_t)sqlite3_last_insert_rowid(db) : 0;
  sqlite3_reset(s);
  return TG_OK;
}

static int events_write(struct tg_job *job, struct tg_writer *writer, struct tg_error *err) {
  struct events_job *own = (struct events_job *)job;
  sqlite3_stmt *s = NULL;
  if (sqlite3_prepare_v2(writer->db,
                         "INSERT INTO events (id, source, type, subject, time, received_at, body)"
                         " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (source, id) DO NOTHING",
                         -1, &s, NULL) != SQLITE_OK)
    return tg_database_error(writer->db, "cannot keep an event", err);
  int code = TG_OK;
  for (size_t i = 0; i < own->count && !code; i++)
    code = event_put(writer->db, s, &own->events[i], err);
  sqlite3_finalize(s);
  return code;
}

static void events_finish(struct tg_job *job, const struct tg_error *err) {
  struct events_job *own = (struct events_job *)job;
  own->done(own->self, own->events, own->count, err);
  tg_arena_deinit(&own->arena);
  free(own);
}

static const char *keep(struct events_job *own, const char *text) {
  const char *copy = tg_arena_strdup(&own->arena, text);
  if (text && !copy) abort(); // nothing can be remembered any more
  return copy;
}

void tg_store_put_events(struct tg_store *store, const struct tg_event *events, size_t count,
                         int64_t received_at, tg_events_kept *done, void *self) {
  struct events_job *own = tg_must(calloc(1, sizeof *own));
  *own = (struct events_job){.job = {.write = events_write, .finish = events_finish},
                             .count = count,
                             .done = done,
                             .self = self};
  tg_arena_init(&own->arena);
  own->events = tg_arena_alloc(&own->arena, (count + 1) * sizeof *own->events);
  if (!own->events) abort();
  for (size_t i = 0; i < count; i++)
    own->events[i] = (struct tg_event){.id = keep(own, events[i].id),
                                       .source = keep(own, events[i].source),
                                       .type = keep(own, events[i].type),
                                       .subject = keep(own, events[i].subject),
                                       .time = events[i].time,
                                       .received_at = received_at,
                                       .body = keep(own, events[i].body)};
  tg_store_submit(store, &own->job);
}
