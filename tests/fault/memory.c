// SPDX-License-Identifier: Apache-2.0
// cmocka wants these four first.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fault/memory.h"

#include <errno.h>
#include <jansson.h>
#include <stdatomic.h>
#include <string.h>

#include "base/error.h"

// Threads may allocate, too.
static atomic_long count, fail_at, blocks;
static atomic_bool is_sticky, has_failed, is_paused = true;

enum { TRIES = 8 }; // that meet no failure before all are taken to have been met

void *__real_malloc(size_t size);
void *__real_calloc(size_t number, size_t size);
void *__real_realloc(void *block, size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t number, size_t size);
void *__wrap_realloc(void *block, size_t size);
void __wrap_free(void *block);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t len);

static bool is_refused(void) {
  if (is_paused) return false;
  long number = ++count;
  if (!fail_at || number < fail_at || (number > fail_at && !is_sticky)) return false;
  has_failed = true;
  errno = ENOMEM;
  return true;
}

static void *counted(void *block) {
  if (block) blocks++;
  return block;
}

void *__wrap_malloc(size_t size) {
  return is_refused() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t number, size_t size) {
  return is_refused() ? NULL : counted(__real_calloc(number, size));
}

// A block that shrinks may be refused as any other.
void *__wrap_realloc(void *block, size_t size) {
  if (is_refused()) return NULL;
  return block ? __real_realloc(block, size) : counted(__real_realloc(NULL, size));
}

void __wrap_free(void *block) {
  if (block) blocks--;
  __real_free(block);
}

char *__wrap_strndup(const char *text, size_t len) {
  size_t size = strnlen(text, len);
  char *copy = __wrap_malloc(size + 1);
  if (!copy) return NULL;
  memcpy(copy, text, size);
  copy[size] = 0;
  return copy;
}

char *__wrap_strdup(const char *text) {
  return __wrap_strndup(text, strlen(text));
}

void memory_fail_at(long n, bool sticky) {
  json_set_alloc_funcs(__wrap_malloc, __wrap_free);
  count = 0;
  fail_at = n;
  is_sticky = sticky;
  has_failed = false;
}

bool memory_has_failed(void) {
  return has_failed;
}

long memory_count(void) {
  return count;
}

void memory_pause(void) {
  is_paused = true;
}

void memory_resume(void) {
  is_paused = false;
}

long memory_blocks(void) {
  return blocks;
}

static bool one_fail(int (*scene)(void *self), void *self, long n, bool sticky) {
  long before = blocks;
  memory_fail_at(n, sticky);
  memory_resume();
  int code = scene(self);
  memory_pause();
  const char *how = sticky ? " and all that follow" : "";
  if (blocks != before)
    fail_msg("allocation %ld%s fails: %ld blocks are left", n, how, blocks - before);
  if (code != TG_OK && (code != TG_ENOMEM || !has_failed))
    fail_msg("allocation %ld%s fails: %s", n, how, tg_code_word(code));
  return has_failed;
}

long memory_fail_each(int (*scene)(void *self), void *self) {
  long n = 1;
  // With threads the allocations of a scene are not always as many.
  for (int tries = 0; tries < TRIES; tries++)
    while (one_fail(scene, self, n, false)) n++, tries = 0;
  for (long i = 1; i < n; i++) one_fail(scene, self, i, true);
  return n - 1;
}
