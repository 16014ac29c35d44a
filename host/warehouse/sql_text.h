// SPDX-License-Identifier: Apache-2.0
// The text functions of SQL whose own time can grow with the product of their arguments' lengths,
// as they are in SQLite but in bounded time: no deadline can stop a function while it is called.
//
//   instr(text, part)             linear
//   replace(text, part, other)    linear
//   trim, ltrim, rtrim(text, set) the set has at most TG_TRIM_SET_BYTES_MAX bytes
//
// LIKE and GLOB stay SQLite's, because only its own ones use an index; their patterns are limited
// to TG_LIKE_PATTERN_BYTES_MAX by the connection, which bounds one match over the largest value to
// about 40 s (0.8 ns for each byte of the value and of the pattern).
#pragma once

#include <sqlite3.h>

/// Registers the functions; returns a SQLite result.
int tg_sql_text_install(sqlite3 *db);
