// SPDX-License-Identifier: Apache-2.0
// The occurrences of a cron expression in a time zone, with the work that it takes to find them;
// for cron.c and its test only.
#pragma once

#include "calendar/cron_fields.h"

/// Finds the first occurrence after an instant, or the last one before it, of fields (not @every).
/// `search->steps` counts the months and the spans of the zone that were looked at.
bool tg_cron_search_next(struct tg_cron_search *search, const struct tg_zone *zone, int64_t after_s,
                         int64_t *at_s);
bool tg_cron_search_prev(struct tg_cron_search *search, const struct tg_zone *zone,
                         int64_t before_s, int64_t *at_s);
