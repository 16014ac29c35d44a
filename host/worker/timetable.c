// SPDX-License-Identifier: Apache-2.0
#include "worker/timetable.h"

#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "engine/plan_text.h"

static const char *text_of(const json_t *object, const char *name) {
  return json_string_value(json_object_get(object, name));
}

// --- The calendar ---

static int blackout_add(struct tg_calendar *calendar, const char *text, struct tg_error *err) {
  char start[64];
  size_t len = strcspn(text, "/");
  int64_t from, to;
  if (len < sizeof start && text[len]) {
    memcpy(start, text, len);
    start[len] = 0;
    if (tg_time_parse(start, &from) && tg_time_parse(text + len + 1, &to))
      return tg_calendar_add_blackout(calendar, from, to, err);
  }
  return tg_error_set(err, TG_EINVALID,
                      "\"%.100s\" is no blackout; it is written as two instants, "
                      "\"2026-12-20T00:00:00Z/2026-12-27T00:00:00Z\"",
                      text);
}

static int each_add(struct tg_calendar *calendar, const json_t *texts,
                    int (*add)(struct tg_calendar *calendar, const char *text,
                               struct tg_error *err),
                    struct tg_error *err) {
  int code = TG_OK;
  for (size_t i = 0; i < json_array_size(texts) && !code; i++) {
    const char *text = json_string_value(json_array_get(texts, i));
    code = text ? add(calendar, text, err)
                : tg_error_set(err, TG_EINVALID, "a calendar is made of texts");
  }
  return code;
}

static int calendar_fill(struct tg_timetable *table, const json_t *given, struct tg_error *err) {
  struct tg_calendar *calendar = &table->calendar;
  const char *weekdays = text_of(given, "weekdays");
  table->schedule.calendar = calendar;
  int code = weekdays ? tg_calendar_set_weekdays(calendar, weekdays, err) : TG_OK;
  if (!code) code = each_add(calendar, json_object_get(given, "holidays"), tg_calendar_close, err);
  if (!code)
    code = each_add(calendar, json_object_get(given, "hours"), tg_calendar_add_window, err);
  if (!code) code = each_add(calendar, json_object_get(given, "blackouts"), blackout_add, err);
  return code;
}

// --- The schedule ---

int tg_timetable_init(struct tg_timetable *table, const json_t *cron, struct tg_error *err) {
  const char *expression = text_of(cron, "expr"), *zone = text_of(cron, "tz");
  const char *folder = getenv("TZDIR"), *closed = text_of(cron, "on_closed");
  const json_t *calendar = json_object_get(cron, "calendar");
  tg_zones_init(&table->zones,
                tg_zone_source_folder(folder && *folder ? folder : "/usr/share/zoneinfo"));
  table->schedule = (struct tg_schedule){.zone = tg_zone_utc()};
  int choice = closed ? tg_schedule_closed_parse(closed) : TG_SCHEDULE_SKIP;
  table->schedule.closed = choice < 0 ? TG_SCHEDULE_SKIP : (enum tg_schedule_closed)choice;
  int code = tg_cron_parse(expression ? expression : "", &table->schedule.cron, err);
  if (!code && zone) code = tg_zones_get(&table->zones, zone, &table->schedule.zone, err);
  tg_calendar_init(&table->calendar, table->schedule.zone);
  return code || !json_is_object(calendar) ? code : calendar_fill(table, calendar, err);
}

void tg_timetable_deinit(struct tg_timetable *table) {
  tg_calendar_deinit(&table->calendar);
  tg_zones_deinit(&table->zones);
}

// --- Faults ---

static void fault_add(json_t *faults, const char *at, const char *message) {
  const char *colon = at ? strrchr(at, ':') : NULL;
  int line = colon ? atoi(colon + 1) : 1;
  json_array_append_new(faults, json_pack("{s:s%, s:i, s:s}", "file", at ? at : "",
                                          colon ? (size_t)(colon - at) : 0, "line", line, "message",
                                          message));
}

static void cron_check(const json_t *cron, json_t *faults) {
  struct tg_timetable table;
  struct tg_error err;
  const char *kind = text_of(cron, "kind"), *at = text_of(cron, "at");
  if (!kind || strcmp(kind, "cron") != 0) return;
  int64_t next;
  if (tg_timetable_init(&table, cron, &err))
    fault_add(faults, at, err.text);
  else if (!tg_schedule_next(&table.schedule, 0, &next))
    fault_add(faults, at, "tg.cron: its calendar is closed whenever the expression fires");
  tg_timetable_deinit(&table);
}

// A plan can be large, so only this part of it is read.
char *tg_timetable_faults(const char *plan, size_t len) {
  struct tg_plan_span text = {.at = plan, .end = plan + len}, on;
  if (!tg_plan_span_member(text, "on", &on)) return NULL;
  json_t *triggers = json_loadb(on.at, (size_t)(on.end - on.at), 0, NULL), *faults = json_array();
  for (size_t i = 0; i < json_array_size(triggers); i++)
    cron_check(json_array_get(triggers, i), faults);
  char *found = json_array_size(faults) ? json_dumps(faults, JSON_COMPACT) : NULL;
  json_decref(triggers);
  json_decref(faults);
  return found;
}
