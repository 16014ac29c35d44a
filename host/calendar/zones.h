// SPDX-License-Identifier: Apache-2.0
// The time zones in use, each read once.
//
// A zone is found by its name in the time zone database ("Europe/Berlin"), or is UTC, or an offset
// ("+02:00"). The files come from a function that the owner gives; on a machine that is the folder
// of the package tzdata. UTC and offsets need no file.
#pragma once

#include "base/buf.h"
#include "base/map.h"
#include "calendar/zone.h"

struct tg_zone_source {
  /// Appends the file that `name` names below the database to `bytes`.
  ///
  /// Errors: TG_ENOT_FOUND if there is none
  int (*read)(void *self, const char *name, struct tg_buf *bytes, struct tg_error *err);
  void *self;
};

struct tg_zones {
  struct tg_zone_source source;
  struct tg_map by_name; // of struct tg_zone, owned
};

/// Gives the source that reads files below a folder, which must outlive it.
struct tg_zone_source tg_zone_source_folder(const char *folder);

void tg_zones_init(struct tg_zones *zones, struct tg_zone_source source);

/// Frees all zones.
void tg_zones_deinit(struct tg_zones *zones);

/// Gives a zone by its name, read on first use.
///
/// Owns:   the zone stays with `zones`
/// Errors: TG_EINVALID for a name that cannot be one and for a malformed file; TG_ENOT_FOUND with
///         the nearest name that is there; TG_ELIMIT; what the source says
int tg_zones_get(struct tg_zones *zones, const char *name, const struct tg_zone **zone,
                 struct tg_error *err);
