// SPDX-License-Identifier: Apache-2.0
#include "base/program.h"

#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

static char id[2 * TG_PROGRAM_ID_MAX + 1];

static size_t align4(size_t size) {
  return (size + 3) & ~(size_t)3;
}

static void id_write(const unsigned char *bytes, size_t len) {
  if (len > TG_PROGRAM_ID_MAX) len = TG_PROGRAM_ID_MAX;
  for (size_t i = 0; i < len; i++) snprintf(id + 2 * i, 3, "%02x", bytes[i]);
}

// A segment holds notes one after the other: header, name, description, both padded to 4 bytes.
static void notes_read(const char *at, size_t len) {
  ElfW(Nhdr) note;
  while (len >= sizeof note) {
    memcpy(&note, at, sizeof note);
    size_t name = align4(note.n_namesz), size = sizeof note + name + align4(note.n_descsz);
    if (size > len) return;
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof ELF_NOTE_GNU &&
        memcmp(at + sizeof note, ELF_NOTE_GNU, sizeof ELF_NOTE_GNU) == 0)
      id_write((const unsigned char *)at + sizeof note + name, note.n_descsz);
    at += size;
    len -= size;
  }
}

// The executable is the first of the objects.
static int object_read(struct dl_phdr_info *object, size_t size, void *self) {
  (void)size;
  (void)self;
  for (size_t i = 0; i < object->dlpi_phnum; i++) {
    const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
    if (segment->p_type == PT_NOTE)
      // NOLINTNEXTLINE(performance-no-int-to-ptr): that is how an object tells where it is
      notes_read((const char *)(object->dlpi_addr + segment->p_vaddr), segment->p_memsz);
  }
  return 1;
}

const char *tg_program_id(void) {
  if (!*id) dl_iterate_phdr(object_read, NULL);
  return id;
}
