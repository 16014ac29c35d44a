// SPDX-License-Identifier: Apache-2.0
// Durations ("30s"), sizes ("64MiB") and instants ("2026-11-20T05:00:00Z") as text.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TG_TIME_TEXT_LEN = 24, TG_DURATION_TEXT_MAX = 32 };

/// Reads a duration: a number with a unit, ms, s, m, h or d; several may follow ("1h30m").
///
/// Units:  ms
/// Errors: returns false on anything else, a negative value or an overflow
bool tg_duration_parse(const char *text, int64_t *ms);

/// Writes a duration for a person: "850ms", "4.2s", "3m12s", "2h05m", "3d4h".
void tg_duration_format(int64_t ms, char text[TG_DURATION_TEXT_MAX]);

/// Reads a size: a number with B, KB, MB, GB (powers of 1000) or KiB, MiB, GiB (of 1024).
bool tg_size_parse(const char *text, int64_t *bytes);

/// Writes an instant as RFC 3339 in UTC with milliseconds, 24 characters and a NUL.
void tg_time_format(int64_t ms, char text[TG_TIME_TEXT_LEN + 1]);

/// Reads an RFC 3339 instant, or a date, which is its first instant in UTC.
bool tg_time_parse(const char *text, int64_t *ms);
