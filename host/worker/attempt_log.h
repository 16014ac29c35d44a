// SPDX-License-Identifier: Apache-2.0
// What an attempt printed and logged, in a file of its own: <data>/logs/<run>/<task>.<attempt>.log.
//
// A line is "<RFC 3339 time> <stream> <text>"; the stream is out or err for a command's output,
// else a level (debug, info, warn, error). Control characters are escaped. Of a log that would pass
// TG_ATTEMPT_LOG_BYTES_MAX the beginning and the end are kept, and between them a line that says
// how much was dropped. The end is in memory, and in the file when the attempt is over.
//
// The file is written on the serial queue, never by who speaks. While a piece is being written the
// next one gathers, so a flood of lines becomes few writes.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "loop/serial.h"

struct tg_attempt_log;

/// Makes the log of an attempt; the file is made by the first line.
struct tg_attempt_log *tg_attempt_log_new(struct tg_serial *disk, const char *data, const char *run,
                                          const char *task, uint32_t attempt);

/// Writes a line. Line ends inside make several lines.
void tg_attempt_log_line(struct tg_attempt_log *log, const char *stream, const char *text,
                         size_t len);

/// Takes a command's output as it comes, and writes the lines that are whole. `stream` is 0 for
/// stdout and 1 for stderr.
void tg_attempt_log_output(struct tg_attempt_log *log, int stream, const char *bytes, size_t len);

/// Gives the last line that was not blank of a command's stream, without its line end; "" if there
/// was none or it was longer than TG_RESULT_BYTES_MAX.
const char *tg_attempt_log_last(struct tg_attempt_log *log, int stream, size_t *len);

/// Ends the log: what is left is written, with what was dropped, by the time the queue is freed.
void tg_attempt_log_free(struct tg_attempt_log *log);
