// SPDX-License-Identifier: Apache-2.0
// What a time zone consists of; for zone.c and zone_file.c only.
#pragma once

#include "base/arena.h"
#include "calendar/zone.h"
#include "calendar/zone_rule.h"

struct tg_zone_type {
  int32_t offset_s;
  bool is_dst;
  const char *abbreviation;
};

struct tg_zone {
  char name[TG_ZONE_NAME_MAX + 1];
  struct tg_arena arena; // holds the arrays
  size_t count;          // transitions
  int64_t *at_s;         // when each happens, ascending
  uint8_t *types_at;     // the type that each begins
  struct tg_zone_type *types;
  bool has_rule; // what holds from the last transition on; without it, the last type
  struct tg_zone_rule rule;
};
