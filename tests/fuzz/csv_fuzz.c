// SPDX-License-Identifier: Apache-2.0
// A CSV file, after two bytes: the delimiter and the quote. Every byte of a record is in `raw`, and
// lines are counted upwards.
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz/input.h"
#include "warehouse/csv.h"

static void record_check(const struct tg_csv_record *record, size_t size) {
  size_t sum = 0;
  fuzz_check(record->raw_len <= size);
  for (size_t i = 0; i < record->count && !record->reason; i++)
    for (size_t at = 0; at < record->fields[i].len; at++)
      sum += (unsigned char)record->fields[i].data[at] | 1; // reads every byte
  fuzz_check(record->reason || record->count == 0 || sum <= 256 * record->raw_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct input in = input_of(data, size);
  char delimiter = (char)input_u8(&in), quote = (char)input_u8(&in);
  if (delimiter == '\n' || delimiter == '\r' || !delimiter || delimiter == quote) return 0;
  if (quote == '\n' || quote == '\r') return 0;
  static int fd;
  if (!fd) fd = memfd_create("csv", MFD_CLOEXEC);
  fuzz_check(ftruncate(fd, 0) == 0);
  fuzz_check(pwrite(fd, in.at, input_left(&in), 0) == (ssize_t)input_left(&in));
  fuzz_check(lseek(fd, 0, SEEK_SET) == 0);
  struct tg_csv csv;
  struct tg_csv_record record;
  struct tg_error err;
  bool has_record = true;
  int64_t line = 0;
  fuzz_check(tg_csv_init(&csv, fd, delimiter, quote, &err) == TG_OK);
  while (tg_csv_next(&csv, &record, &has_record, &err) == TG_OK && has_record) {
    fuzz_check(record.line > line);
    line = record.line;
    record_check(&record, size);
  }
  fuzz_check(!has_record);
  tg_csv_deinit(&csv);
  return 0;
}
