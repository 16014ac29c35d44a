// SPDX-License-Identifier: Apache-2.0
#include "warehouse/sql_guard.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

// Pragmas that only tell, or that only concern the running transaction or the file's own numbers.
static const char *const free_pragmas[] = {
    "table_info",    "table_xinfo",      "table_list",        "index_list",      "index_info",
    "index_xinfo",   "foreign_key_list", "foreign_key_check", "integrity_check", "quick_check",
    "database_list", "collation_list",   "function_list",     "module_list",     "pragma_list",
    "user_version",  "application_id",   "compile_options",   "page_count",      "freelist_count",
    "data_version",  "optimize",         "defer_foreign_keys"};

// Pragmas that tell when they are given no value.
static const char *const read_pragmas[] = {"journal_mode", "synchronous",    "foreign_keys",
                                           "page_size",    "schema_version", "encoding",
                                           "auto_vacuum",  "cache_size",     "query_only"};

static bool list_has(const char *const *list, size_t count, const char *word) {
  for (size_t i = 0; i < count; i++)
    if (strcasecmp(list[i], word) == 0) return true;
  return false;
}

#define LIST_HAS(list, word) list_has(list, sizeof(list) / sizeof *(list), word)

static int refuse(struct tg_sql *sql, const char *what, const char *word, const char *help) {
  snprintf(sql->guard_text, sizeof sql->guard_text, "%s%.60s is not allowed here; %s", what,
           word ? word : "", help);
  return SQLITE_DENY;
}

static int pragma_check(struct tg_sql *sql, const char *name, const char *value) {
  if (LIST_HAS(free_pragmas, name) || (!value && LIST_HAS(read_pragmas, name))) return SQLITE_OK;
  return refuse(sql, "PRAGMA ", name,
                "only pragmas that read the schema or check the file may be used");
}

static int guard(void *self, int action, const char *one, const char *two, const char *database,
                 const char *inner) {
  (void)inner;
  struct tg_sql *sql = self;
  if (sql->is_internal) return SQLITE_OK;
  // A script's statement is judged when it is prepared. What is prepared while it runs is SQLite's
  // own: VACUUM begins, commits, and attaches its scratch file, which is nameless unless INTO says
  // so.
  if (sql->is_stepping && (action != SQLITE_ATTACH || (one && !*one))) return SQLITE_OK;
  switch (action) {
  case SQLITE_TRANSACTION:
    return refuse(sql, one, NULL, "use sql.transaction(function() ... end)");
  case SQLITE_SAVEPOINT:
    return refuse(sql, "SAVEPOINT", NULL, "use sql.transaction(function() ... end)");
  case SQLITE_ATTACH:
    return refuse(sql, "ATTACH or VACUUM INTO", NULL, "the warehouse is one file");
  case SQLITE_DETACH:
    return refuse(sql, "DETACH", NULL, "the warehouse is one file");
  case SQLITE_PRAGMA:
    return pragma_check(sql, one, two);
  case SQLITE_FUNCTION:
    if (two && strcasecmp(two, "load_extension") == 0)
      return refuse(sql, "load_extension()", NULL, "no code is loaded into the warehouse");
    return SQLITE_OK;
  case SQLITE_CREATE_TEMP_TABLE:
  case SQLITE_CREATE_TEMP_VIEW:
  case SQLITE_CREATE_TEMP_TRIGGER:
    sql->has_temporary = true;
    return SQLITE_OK;
  case SQLITE_CREATE_VTABLE:
    sql->has_temporary |= database && strcmp(database, "temp") == 0;
    return SQLITE_OK;
  default:
    return SQLITE_OK;
  }
}

void tg_sql_guard_install(struct tg_sql *sql) {
  sqlite3_set_authorizer(sql->db, guard, sql);
}
