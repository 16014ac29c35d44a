// SPDX-License-Identifier: Apache-2.0
#include "fault/checker.h"

#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault/rules.h"

enum { PATH_BYTES = 512, NOTE_BYTES = 512 };

static bool wrong(struct checker *checker, const char *format, ...) {
  va_list args;
  va_start(args, format);
  if (!*checker->fault) vsnprintf(checker->fault, sizeof checker->fault, format, args);
  va_end(args);
  return false;
}

static void must(struct checker *checker, const char *sql) {
  char *reason = NULL;
  if (sqlite3_exec(checker->db, sql, NULL, NULL, &reason) == SQLITE_OK) return;
  fprintf(stderr, "the checker itself: %s: %s\n", sql, reason);
  abort();
}

void checker_open(struct checker *checker, const char *dir) {
  *checker = (struct checker){0};
  snprintf(checker->dir, sizeof checker->dir, "%s", dir);
  if (sqlite3_open(":memory:", &checker->db) != SQLITE_OK) abort();
  must(checker, "CREATE TABLE notes (run, task, item NUMERIC, step, at);"
                "CREATE TABLE ran (run, task, item NUMERIC, step, at);"
                "CREATE INDEX ran_by_task ON ran (run, task)");
}

void checker_close(struct checker *checker) {
  sqlite3_close(checker->db);
  checker->db = NULL;
}

void checker_forget(struct checker *checker) {
  if (checker->has_before) must(checker, "DETACH before");
  checker->has_before = false;
}

// --- What was noted ---

static void note_take(struct checker *checker, const char *path) {
  char text[NOTE_BYTES], run[64], task[128], item[32], step[128];
  struct stat info;
  FILE *file = fopen(path, "r");
  if (!file) return;
  fstat(fileno(file), &info);
  text[fread(text, 1, sizeof text - 1, file)] = 0;
  fclose(file);
  // A command that its host could not end yet may be about to write.
  if (sscanf(text, "%63s %127s %31s %127s", run, task, item, step) != 4) return;
  unlink(path);
  sqlite3_stmt *insert;
  sqlite3_prepare_v2(checker->db, "INSERT INTO notes VALUES (?1, ?2, ?3, ?4, ?5)", -1, &insert,
                     NULL);
  const char *values[] = {run, task, item, step};
  for (int i = 0; i < 4; i++) sqlite3_bind_text(insert, i + 1, values[i], -1, SQLITE_STATIC);
  sqlite3_bind_int64(insert, 5,
                     (int64_t)info.st_mtim.tv_sec * 1000000 + info.st_mtim.tv_nsec / 1000);
  if (sqlite3_step(insert) != SQLITE_DONE) abort();
  sqlite3_finalize(insert);
}

static void notes_take(struct checker *checker) {
  char path[PATH_BYTES];
  snprintf(path, sizeof path, "%s/files/notes", checker->dir);
  DIR *folder = opendir(path);
  const struct dirent *entry;
  must(checker, "DELETE FROM notes");
  while (folder && (entry = readdir(folder))) {
    if (entry->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "%s/files/notes/%.255s", checker->dir, entry->d_name);
    note_take(checker, path);
  }
  if (folder) closedir(folder);
  must(checker, "INSERT INTO ran SELECT * FROM notes");
}

// --- The store ---

static bool file_copy(const char *from, const char *to) {
  struct stat info;
  int in = open(from, O_RDONLY | O_CLOEXEC);
  if (in < 0) return false;
  int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (out < 0 || fstat(in, &info) != 0) abort();
  for (off_t at = 0; at < info.st_size;)
    if (sendfile(out, in, &at, (size_t)(info.st_size - at)) <= 0) abort();
  close(in);
  close(out);
  return true;
}

// A copy of what the last host left, without the file of shared memory, which is rebuilt by whoever
// opens them. It becomes one file when it is closed.
static bool store_copy(const struct checker *checker) {
  static const char *const suffixes[] = {"-journal", "-wal", ""};
  bool is_there = false;
  for (size_t i = 0; i < 3; i++) {
    char from[PATH_BYTES], to[PATH_BYTES];
    snprintf(from, sizeof from, "%s/.tidegate/state.db%s", checker->dir, suffixes[i]);
    snprintf(to, sizeof to, "%s/copy/now.db%s", checker->dir, suffixes[i]);
    unlink(to);
    is_there = file_copy(from, to);
  }
  return is_there;
}

static void store_attach(struct checker *checker, const char *name) {
  char sql[PATH_BYTES];
  snprintf(sql, sizeof sql, "ATTACH '%s/copy/%s.db' AS %s", checker->dir, name, name);
  must(checker, sql);
}

int64_t checker_number(struct checker *checker, const char *query) {
  sqlite3_stmt *statement;
  int64_t number = -1;
  if (sqlite3_prepare_v2(checker->db, query, -1, &statement, NULL) != SQLITE_OK) {
    fprintf(stderr, "the checker itself: %s: %s\n", query, sqlite3_errmsg(checker->db));
    abort();
  }
  if (sqlite3_step(statement) == SQLITE_ROW) number = sqlite3_column_int64(statement, 0);
  sqlite3_finalize(statement);
  return number;
}

static void rule_check(struct checker *checker, const struct rule *rule, const char *state) {
  sqlite3_stmt *statement;
  if (sqlite3_prepare_v2(checker->db, rule->query, -1, &statement, NULL) != SQLITE_OK) {
    wrong(checker, "%s: %s", rule->what, sqlite3_errmsg(checker->db));
    return;
  }
  int at = sqlite3_bind_parameter_index(statement, ":state");
  if (at) sqlite3_bind_text(statement, at, state, -1, SQLITE_STATIC);
  if (sqlite3_step(statement) == SQLITE_ROW) {
    char row[400] = "";
    for (int i = 0; i < sqlite3_column_count(statement); i++) {
      const char *text = (const char *)sqlite3_column_text(statement, i);
      size_t len = strlen(row);
      snprintf(row + len, sizeof row - len, " %.60s", text ? text : "NULL");
    }
    wrong(checker, "%s:%s", rule->what, row);
  }
  sqlite3_finalize(statement);
}

static bool is_whole(struct checker *checker) {
  sqlite3_stmt *statement;
  bool is_ok = sqlite3_prepare_v2(checker->db, "PRAGMA now.integrity_check", -1, &statement,
                                  NULL) == SQLITE_OK &&
               sqlite3_step(statement) == SQLITE_ROW &&
               strcmp((const char *)sqlite3_column_text(statement, 0), "ok") == 0;
  sqlite3_finalize(statement);
  return is_ok || wrong(checker, "the store is damaged: %s", sqlite3_errmsg(checker->db));
}

static void store_judge(struct checker *checker, const char *state) {
  if (!is_whole(checker)) return;
  bool has_runs = checker_number(checker, "SELECT count(*) FROM now.sqlite_master"
                                          " WHERE name = 'attempts'") == 1;
  if (!has_runs) {
    bool has_notes = checker_number(checker, "SELECT count(*) FROM notes") > 0;
    if (checker->has_before || has_notes) wrong(checker, "the tables of the store are gone");
    return;
  }
  for (const struct rule *rule = rules; rule->what; rule++)
    if (checker->has_before || !rule->needs_before) rule_check(checker, rule, state);
  for (const struct rule *rule = last_rules; rule->what && state; rule++)
    rule_check(checker, rule, state);
}

// What is now becomes what was before.
static void store_keep(struct checker *checker) {
  char from[PATH_BYTES], to[PATH_BYTES];
  bool has_runs = checker_number(checker, "SELECT count(*) FROM now.sqlite_master"
                                          " WHERE name = 'attempts'") == 1;
  if (checker->has_before) must(checker, "DETACH before");
  must(checker, "DETACH now");
  snprintf(from, sizeof from, "%s/copy/now.db", checker->dir);
  snprintf(to, sizeof to, "%s/copy/before.db", checker->dir);
  if (has_runs && rename(from, to) != 0) abort();
  checker->has_before = has_runs;
  if (has_runs) store_attach(checker, "before");
}

static bool look(struct checker *checker, const char *state) {
  notes_take(checker);
  if (!store_copy(checker))
    return !checker->has_before && !state &&
                   checker_number(checker, "SELECT count(*) FROM notes") == 0
               ? true
               : wrong(checker, "there is no store");
  store_attach(checker, "now");
  store_judge(checker, state);
  if (*checker->fault) return false;
  store_keep(checker);
  return true;
}

bool checker_look(struct checker *checker) {
  return look(checker, NULL);
}

bool checker_finish(struct checker *checker, const char *state) {
  return look(checker, state);
}
