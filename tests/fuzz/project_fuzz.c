// SPDX-License-Identifier: Apache-2.0
// A project's tidegate.yaml and, behind a byte 0, the file of an environment that is laid over it;
// and the same bytes as a text for a terminal, which must come out harmless.
#include "base/file.h"
#include "base/utf8.h"
#include "cli/project.h"
#include "cli/text.h"
#include "fuzz/folder.h"
#include "fuzz/input.h"

static void part_write(const char *name, const struct input *part) {
  char path[4200];
  snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
  fuzz_check(tg_file_write(path, part->at, input_left(part), NULL) == TG_OK);
}

static void project_check(struct input in) {
  struct input settings = input_until(&in, 0);
  bool has_env = !input_is_empty(&in);
  char env[4200];
  snprintf(env, sizeof env, "%s/env", fuzz_folder());
  fuzz_check(tg_file_make_folder(env, NULL) == TG_OK);
  part_write("tidegate.yaml", &settings);
  if (has_env) part_write("env/prod.yaml", &in);
  struct tg_project project;
  struct tg_error err;
  if (tg_project_open(&project, fuzz_folder(), NULL, has_env ? "prod" : NULL, &err) == TG_OK) {
    fuzz_check(project.name && *project.name && project.data[0] == '/');
    for (size_t i = 0; i < project.file_count; i++) fuzz_check(project.files[i].path[0] == '/');
  } else {
    fuzz_check(*err.text);
  }
  tg_project_deinit(&project);
}

static void text_check(const struct input *in) {
  struct tg_buf out;
  tg_buf_init(&out, 1 << 20);
  tg_text_put_clean(&out, (const char *)in->at, input_left(in));
  const char *text = tg_buf_text(&out);
  fuzz_check(tg_utf8_is_valid(text, out.len));
  for (size_t i = 0; i < out.len; i++)
    fuzz_check((unsigned char)text[i] >= 0x20 && text[i] != 0x7f);
  struct tg_buf cut;
  tg_buf_init(&cut, 1 << 20);
  tg_text_put_cut(&cut, text, 10);
  fuzz_check(tg_text_width(tg_buf_text(&cut)) <= 10);
  tg_buf_deinit(&cut);
  tg_buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct input in = input_of(data, size);
  text_check(&in);
  project_check(in);
  return 0;
}
