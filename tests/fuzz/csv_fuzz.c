// SPDX-License-Identifier: Apache-2.0
// A CSV file, after two bytes: the delimiter and the quote. Lines are counted upwards, and good
// records that are written with every field in quotes read back the same.
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz/input.h"
#include "warehouse/csv.h"

enum { MIB = 1 << 20 };

struct file {
  int fd;
  char delimiter, quote;
};

static void file_write(struct file *file, const void *bytes, size_t len) {
  if (!file->fd) file->fd = memfd_create("csv", MFD_CLOEXEC);
  fuzz_check(ftruncate(file->fd, 0) == 0);
  fuzz_check(pwrite(file->fd, bytes, len, 0) == (ssize_t)len);
  fuzz_check(lseek(file->fd, 0, SEEK_SET) == 0);
}

static void record_put(const struct file *file, const struct tg_csv_record *record,
                       struct tg_buf *out) {
  for (size_t i = 0; i < record->count; i++) {
    if (i) tg_buf_putc(out, file->delimiter);
    tg_buf_putc(out, file->quote);
    for (size_t at = 0; at < record->fields[i].len; at++) {
      if (record->fields[i].data[at] == file->quote) tg_buf_putc(out, file->quote);
      tg_buf_putc(out, record->fields[i].data[at]);
    }
    tg_buf_putc(out, file->quote);
  }
  tg_buf_putc(out, '\n');
}

// Reads the file and writes its good records; gives the number of bad ones.
static size_t file_read(struct file *file, struct tg_buf *out) {
  struct tg_csv csv;
  struct tg_csv_record record;
  struct tg_error err;
  bool has_record = true;
  int64_t line = 0;
  size_t bad = 0;
  fuzz_check(tg_csv_init(&csv, file->fd, file->delimiter, file->quote, &err) == TG_OK);
  while (tg_csv_next(&csv, &record, &has_record, &err) == TG_OK && has_record) {
    fuzz_check(record.line > line && (!record.raw_len || record.raw));
    line = record.line;
    if (record.reason)
      bad++;
    else
      record_put(file, &record, out);
  }
  fuzz_check(!has_record);
  tg_csv_deinit(&csv);
  return bad;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct file file;
  struct input in = input_of(data, size);
  file.delimiter = (char)input_u8(&in), file.quote = (char)input_u8(&in);
  if (file.delimiter <= 0 || file.quote < 0 || file.delimiter == file.quote) return 0; // ASCII
  if (strchr("\r\n", file.delimiter) || (file.quote && strchr("\r\n", file.quote))) return 0;
  struct tg_buf once, twice;
  tg_buf_init(&once, 8 * MIB);
  tg_buf_init(&twice, 8 * MIB);
  file_write(&file, in.at, input_left(&in));
  file_read(&file, &once);
  if (file.quote && once.len) {
    file_write(&file, once.data, once.len);
    fuzz_check(file_read(&file, &twice) == 0);
    fuzz_check(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
  }
  tg_buf_deinit(&once);
  tg_buf_deinit(&twice);
  return 0;
}
