// SPDX-License-Identifier: Apache-2.0
// What the targets share. A target is one file with LLVMFuzzerTestOneInput: it takes any bytes and
// returns, or dies. Under ./dev fuzz libFuzzer makes the bytes up; under ctest replay_main.c reads
// them from tests/fuzz/corpus/<target>.
//
// A target whose input is not one text takes it apart with the functions here: each takes some
// bytes off the front, and gives zeros and empty texts when there are none left.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/// Dies, naming what does not hold.
#define fuzz_check(what)                                                                           \
  do {                                                                                             \
    if (!(what)) {                                                                                 \
      fprintf(stderr, "%s:%d: this does not hold: %s\n", __FILE__, __LINE__, #what);               \
      abort();                                                                                     \
    }                                                                                              \
  } while (0)

struct input {
  const uint8_t *at, *end;
};

static inline struct input input_of(const uint8_t *data, size_t size) {
  return (struct input){.at = data, .end = size ? data + size : data};
}

static inline bool input_is_empty(const struct input *in) {
  return in->at == in->end;
}

static inline size_t input_left(const struct input *in) {
  return (size_t)(in->end - in->at);
}

static inline uint8_t input_u8(struct input *in) {
  return input_is_empty(in) ? 0 : *in->at++;
}

/// Takes up to 8 bytes as a number, the lowest first.
static inline uint64_t input_number(struct input *in, size_t bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; i++) value |= (uint64_t)input_u8(in) << (8 * i);
  return value;
}

/// Takes at most `len` bytes.
static inline struct input input_bytes(struct input *in, size_t len) {
  struct input part = {.at = in->at, .end = in->at};
  if (len > input_left(in)) len = input_left(in);
  if (len) part.end = in->at += len;
  return part;
}

/// Takes what stands before the next byte `mark`, and the mark.
static inline struct input input_until(struct input *in, uint8_t mark) {
  const uint8_t *found = input_is_empty(in) ? NULL : memchr(in->at, mark, input_left(in));
  struct input part = input_bytes(in, found ? (size_t)(found - in->at) : SIZE_MAX);
  if (found) in->at++;
  return part;
}

/// Copies bytes into memory that is exactly as long, so that AddressSanitizer sees a read behind
/// them.
///
/// Owns:   the caller frees the copy
static inline uint8_t *input_copy(const void *bytes, size_t len) {
  uint8_t *copy = malloc(len ? len : 1);
  if (!copy) abort();
  if (len) memcpy(copy, bytes, len);
  return copy;
}

/// Copies what is left as a text, which ends at its first NUL for whoever reads it as one.
///
/// Owns:   the caller frees the copy, which is no longer than it must be
static inline char *input_text(const struct input *in) {
  size_t len = input_left(in);
  char *text = malloc(len + 1);
  if (!text) abort();
  if (len) memcpy(text, in->at, len);
  text[len] = 0;
  return text;
}
