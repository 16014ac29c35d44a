// SPDX-License-Identifier: Apache-2.0
// The search for the times that the fields of a cron expression match, without a time zone.
#pragma once

#include "calendar/cron.h"

/// A search, and how far it has come.
struct tg_cron_search {
  const struct tg_cron *cron;
  uint32_t steps; // months looked at, for tests that bound the work
};

/// Finds the first matching civil second at or after `*local_s`, or the last at or before it.
///
/// Shape:  false: there is none from TG_CRON_YEAR_MIN to TG_CRON_YEAR_MAX
bool tg_cron_fields_next(struct tg_cron_search *search, int64_t *local_s);
bool tg_cron_fields_prev(struct tg_cron_search *search, int64_t *local_s);

/// Gives the days of a month that match, whatever the expression says of months.
uint32_t tg_cron_days_of(const struct tg_cron *cron, int64_t year, int32_t month);
