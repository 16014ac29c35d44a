// SPDX-License-Identifier: Apache-2.0
#include "cli/intake.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "cli/inbox.h"

enum { LOOKS_AFTER_FAILURE = 50 }; // that are left out

struct tg_intake {
  struct tg_store *store;
  const char *data;
  const struct tg_clock *clock;
  tg_intake_told *told;
  void *self;
  uint32_t travelling, pause;
};

// One file on its way.
struct file {
  struct tg_intake *intake;
  char *name;
};

struct tg_intake *tg_intake_new(struct tg_store *store, const char *data,
                                const struct tg_clock *clock, tg_intake_told *told, void *self) {
  struct tg_intake *intake = calloc(1, sizeof *intake);
  tg_inbox_sweep(data);
  if (intake)
    *intake = (struct tg_intake){
        .store = store, .data = data, .clock = clock, .told = told, .self = self};
  return intake;
}

void tg_intake_free(struct tg_intake *intake) {
  free(intake);
}

bool tg_intake_is_idle(const struct tg_intake *intake) {
  return !intake->travelling;
}

static void kept(void *self, const struct tg_event *events, size_t count,
                 const struct tg_error *err) {
  struct file *file = self;
  struct tg_intake *intake = file->intake;
  intake->travelling--;
  if (!err) {
    if (intake->told) intake->told(intake->self, events, count);
    tg_inbox_remove(intake->data, file->name, "event");
  } else {
    intake->pause = LOOKS_AFTER_FAILURE;
    if (err->code != TG_ECANCELLED) tg_log(TG_LOG_WARN, "events are not taken in: %s", err->text);
  }
  free(file->name);
  free(file);
}

static void file_take(struct tg_intake *intake, const char *name, struct tg_arena *arena) {
  struct tg_buf text;
  struct tg_event *events;
  size_t count;
  struct tg_error err;
  const char *path = tg_inbox_path(intake->data, name, "event", arena);
  tg_buf_init(&text, (size_t)TG_EVENTS_BYTES_MAX * 2);
  int code = path ? tg_file_read(path, &text, &err) : tg_error_set(&err, TG_ENOMEM, "no memory");
  if (!code) {
    code = tg_events_parse(tg_buf_text(&text), text.len, arena, &events, &count, &err);
    if (code && code != TG_ENOMEM) tg_inbox_put_aside(path, &err);
  }
  tg_buf_deinit(&text);
  if (code) return;
  struct file *file = malloc(sizeof *file);
  char *copy = strdup(name);
  if (!file || !copy) abort(); // nothing can be remembered any more
  *file = (struct file){intake, copy};
  intake->travelling++;
  tg_store_put_events(intake->store, events, count, tg_clock_wall_ms(intake->clock), kept, file);
}

void tg_intake_look(struct tg_intake *intake) {
  struct tg_arena arena;
  size_t count;
  if (intake->travelling) return;
  if (intake->pause) {
    intake->pause--;
    return;
  }
  tg_arena_init(&arena);
  char **names = tg_inbox_list(intake->data, "event", &arena, &count);
  for (size_t i = 0; i < count; i++) file_take(intake, names[i], &arena);
  tg_arena_deinit(&arena);
}
