// SPDX-License-Identifier: Apache-2.0
// The schedule that a tg.cron of a plan declares, as the calendar has it:
//
//   {"kind": "cron", "at": "pipelines/p.lua:3", "expr", "tz", "missed", "on_closed": skip | shift,
//    "calendar": {"weekdays": "MON-FRI", "holidays": ["2026-12-25", "2026-12-24..2026-12-26"],
//                 "hours": ["08:00-18:00"], "blackouts": ["2026-12-20T00:00Z/2026-12-27T00:00Z"]}}
//
// What it says is checked here and nowhere else: when a pipeline is built, by the calendar itself.
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "calendar/schedule.h"
#include "calendar/zones.h"

/// A schedule with what it lives on. It must stay where it is.
struct tg_timetable {
  struct tg_zones zones;
  struct tg_calendar calendar;
  struct tg_schedule schedule;
};

/// Makes the schedule of a trigger. Zones come from TZDIR, or /usr/share/zoneinfo.
///
/// Owns:   the caller deinits it, also after an error
/// Errors: TG_EINVALID for what cannot be read, with the place in it; TG_ENOT_FOUND for a zone;
///         TG_ELIMIT; TG_ENOMEM
int tg_timetable_init(struct tg_timetable *table, const json_t *cron, struct tg_error *err);
void tg_timetable_deinit(struct tg_timetable *table);

/// Checks the schedules of a plan (JSON text).
///
/// Shape:  faults as a JSON list of {"file", "line", "message"}, NULL for none
/// Owns:   the caller frees it
char *tg_timetable_faults(const char *plan, size_t len);
