// SPDX-License-Identifier: Apache-2.0
// Errors: a code, the class that retry looks at, and a sentence for a person.
//
// A function that can fail returns 0 or a code and takes `struct tg_error *err` last (may be NULL).
// The error is set once, where it happened, and passed up untouched. The table below is the only
// list of codes; the Lua side shows the same names.
#pragma once

#include <stddef.h>
#include <stdint.h>

/// X(NAME, word): what may be done about a failure. Retry looks at nothing else.
#define TG_CLASSES(X)                                                                              \
  X(NONE, "none")                                                                                  \
  X(TRANSIENT, "transient")                                                                        \
  X(THROTTLED, "throttled")                                                                        \
  X(PERMANENT, "permanent")                                                                        \
  X(CONTRACT, "contract")                                                                          \
  X(CANCELLED, "cancelled")                                                                        \
  X(LOST, "lost")                                                                                  \
  X(BUG, "bug")

/// X(NAME, word, CLASS, text): every code there is, with its usual class.
#define TG_CODES(X)                                                                                \
  X(OK, "ok", NONE, "no error")                                                                    \
  X(EINVALID, "invalid", PERMANENT, "invalid input")                                               \
  X(ENOT_FOUND, "not_found", PERMANENT, "not found")                                               \
  X(EEXISTS, "exists", PERMANENT, "exists already")                                                \
  X(ECONFLICT, "conflict", PERMANENT, "changed by somebody else")                                  \
  X(EDENIED, "denied", PERMANENT, "not allowed")                                                   \
  X(ELIMIT, "limit", PERMANENT, "a limit was reached")                                             \
  X(ENOMEM, "no_memory", PERMANENT, "out of memory")                                               \
  X(EIO, "io", TRANSIENT, "input or output failed")                                                \
  X(EFULL, "full", TRANSIENT, "no space left")                                                     \
  X(EBUSY, "busy", TRANSIENT, "in use by another")                                                 \
  X(EDAMAGED, "damaged", PERMANENT, "the store is damaged")                                        \
  X(ETIMEOUT, "timeout", TRANSIENT, "a deadline passed")                                           \
  X(ECANCELLED, "cancelled", CANCELLED, "cancelled")                                               \
  X(ELOST, "lost", LOST, "the worker was lost")                                                    \
  X(EREJECTED, "rejected", PERMANENT, "rejected by a person")                                      \
  X(ECONTRACT, "contract", CONTRACT, "a contract is broken")                                       \
  X(ETHROTTLED, "throttled", THROTTLED, "the remote asks to slow down")                            \
  X(ECONNECT, "connect", TRANSIENT, "no connection")                                               \
  X(ETLS, "tls", PERMANENT, "no trusted TLS connection")                                           \
  X(EREMOTE, "remote", TRANSIENT, "the remote failed")                                             \
  X(ESCRIPT, "script", TRANSIENT, "the task failed")                                               \
  X(EEXIT, "exit", TRANSIENT, "the command failed")                                                \
  X(ESPAWN, "spawn", PERMANENT, "the command cannot be started")                                   \
  X(ESQL, "sql", PERMANENT, "the SQL statement failed")                                            \
  X(EPROTOCOL, "protocol", BUG, "a message is malformed")                                          \
  X(EBUG, "bug", BUG, "a mistake in the program")

enum tg_class {
#define X(name, word) TG_CLASS_##name,
  TG_CLASSES(X)
#undef X
      TG_CLASS_COUNT
};

enum tg_code {
#define X(name, word, class, text) TG_##name,
  TG_CODES(X)
#undef X
      TG_CODE_COUNT
};

enum { TG_ERROR_TEXT_MAX = 1024 };

struct tg_error {
  int code;
  enum tg_class class;
  int64_t retry_after_ms; // what the remote asked for; 0 if it asked for nothing
  char text[TG_ERROR_TEXT_MAX];
};

/// Fills `err` (may be NULL) with a code, the code's usual class and a formatted sentence.
///
/// Shape:  returns `code`, so that `return tg_error_set(...)` reads well
int tg_error_set(struct tg_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/// Like tg_error_set, and appends the text of `errnum`; ENOSPC and EDQUOT become TG_EFULL.
int tg_error_errno(struct tg_error *err, int code, int errnum, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/// Empties an error.
void tg_error_clear(struct tg_error *err);

/// Gives the word for a code ("timeout"), its text, or its usual class.
const char *tg_code_word(int code);
const char *tg_code_text(int code);
enum tg_class tg_code_class(int code);

/// Gives the word for a class ("transient").
const char *tg_class_word(enum tg_class class);

/// Finds a class or code by its word, or -1.
int tg_class_parse(const char *word);
int tg_code_parse(const char *word);
