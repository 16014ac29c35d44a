// SPDX-License-Identifier: Apache-2.0
// SQL functions that pipelines want and SQLite lacks.
//
//   text REGEXP pattern    1 if the POSIX extended pattern matches somewhere in the text, else 0
//   sha256(text)           the digest of the bytes, as 64 hexadecimal characters
//
// NULL gives NULL. Patterns are limited (their length, their repetitions, no back-references, the
// length of the text), because a match cannot be interrupted and regcomp has no limits of its own.
#pragma once

#include <sqlite3.h>

/// Registers the functions; returns a SQLite result.
int tg_sql_function_install(sqlite3 *db);
