// SPDX-License-Identifier: Apache-2.0
// The C library's time zones, which the tests take as the truth, and a few shorthands.
#pragma once

#include <stdint.h>
#include <time.h>

#include "calendar/zones.h"

#define ZONE_FOLDER "/usr/share/zoneinfo"

/// Makes the C library use a zone: a name of the database or a POSIX rule.
void library_use(const char *name);

/// Gives what the C library's clocks show.
struct tm library_local(int64_t utc_s);

/// The same as a civil second.
int64_t library_local_s(int64_t utc_s);

/// Gives a zone of the database; the test fails if it cannot. It is freed by zones_close.
const struct tg_zone *zone_of(const char *name);
void zones_close(void);

/// Gives the instant of an RFC 3339 text.
int64_t at(const char *text);
