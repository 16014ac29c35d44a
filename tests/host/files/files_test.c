// SPDX-License-Identifier: Apache-2.0
//
// The folder of a test:
//   project/            the base
//     in/               a root to read: a.txt, dir/b.txt, links of all kinds, a named pipe
//     out/              a root to write
//     out/private/      a root to read, inside of the one to write
//   secret.txt          outside
#include "files/files.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/limits.h"
#include "files/beneath.h"
#include "files/service.h"
#include "ipc/wire.h"

struct scene {
  char folder[64];
  char path[PATH_MAX];
  struct tg_files files;
  struct tg_buf out;
  struct tg_error err;
};

static const char *path_of(struct scene *scene, const char *name) {
  snprintf(scene->path, sizeof scene->path, "%s/%s", scene->folder, name);
  return scene->path;
}

static void put(struct scene *scene, const char *name, const char *text) {
  assert_int_equal(tg_file_write(path_of(scene, name), text, strlen(text), NULL), TG_OK);
}

static void link_put(struct scene *scene, const char *name, const char *target) {
  assert_int_equal(symlink(target, path_of(scene, name)), 0);
}

static int setup(void **state) {
  struct scene *scene = calloc(1, sizeof *scene);
  strcpy(scene->folder, "/tmp/tidegate-test-XXXXXX");
  assert_non_null(mkdtemp(scene->folder));
  tg_file_make_folder(path_of(scene, "project/in/dir"), NULL);
  tg_file_make_folder(path_of(scene, "project/out/private"), NULL);
  put(scene, "secret.txt", "secret");
  put(scene, "project/in/a.txt", "one\ntwo\n");
  put(scene, "project/in/dir/b.txt", "b");
  link_put(scene, "project/in/inside", "dir/../a.txt");
  link_put(scene, "project/in/outside", "../../secret.txt");
  link_put(scene, "project/in/up", "..");
  link_put(scene, "project/in/absolute", "/etc/hostname");
  link_put(scene, "project/in/loop", "loop");
  link_put(scene, "project/out/escape", "../..");
  assert_int_equal(mkfifo(path_of(scene, "project/in/pipe"), 0600), 0);
  assert_int_equal(tg_files_init(&scene->files, path_of(scene, "project"), NULL), TG_OK);
  assert_int_equal(tg_files_add_root(&scene->files, "./in/", false, NULL), TG_OK);
  assert_int_equal(tg_files_add_root(&scene->files, "out", true, NULL), TG_OK);
  assert_int_equal(tg_files_add_root(&scene->files, "/proc/self", false, NULL), TG_OK);
  tg_buf_init(&scene->out, 1 << 20);
  *state = scene;
  return 0;
}

static int entry_remove(const char *path, const struct stat *info, int type, struct FTW *walk) {
  (void)info;
  (void)type;
  (void)walk;
  return remove(path);
}

static int teardown(void **state) {
  struct scene *scene = *state;
  tg_files_deinit(&scene->files);
  tg_buf_deinit(&scene->out);
  nftw(scene->folder, entry_remove, 8, FTW_DEPTH | FTW_PHYS);
  free(scene);
  return 0;
}

static int read_path(struct scene *scene, const char *path) {
  tg_buf_clear(&scene->out);
  tg_error_clear(&scene->err);
  return tg_files_read(&scene->files, path, 1000, &scene->out, &scene->err);
}

static void reads_below_its_roots(void **state) {
  struct scene *scene = *state;
  const char *const paths[] = {"in/a.txt", "./in//./a.txt", "in/inside", "in/dir/../a.txt"};
  for (size_t i = 0; i < 4; i++) {
    assert_int_equal(read_path(scene, paths[i]), TG_OK);
    assert_string_equal(scene->out.data, "one\ntwo\n");
  }
  assert_int_equal(read_path(scene, path_of(scene, "project/in/dir/b.txt")), TG_OK);
}

static void refuses_what_leads_out(void **state) {
  struct scene *scene = *state;
  const char *const paths[] = {"in/../../secret.txt", "in/outside", "in/up/out/x",
                               "in/absolute",         "in/loop",    "../secret.txt",
                               "/etc/passwd",         "inside",     "in/../out/../../secret.txt"};
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
    if (read_path(scene, paths[i]) != TG_EDENIED) fail_msg("%s: %s", paths[i], scene->err.text);
  read_path(scene, "/etc/passwd");
  assert_non_null(strstr(scene->err.text, "'files:' in tidegate.yaml"));
  assert_non_null(strstr(scene->err.text, path_of(scene, "project/in, ")));
}

static void refuses_the_kernels_magic_links(void **state) {
  struct scene *scene = *state;
  char path[64];
  int fd = open(path_of(scene, "secret.txt"), O_RDONLY | O_CLOEXEC);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  assert_int_equal(read_path(scene, path), TG_EDENIED);
  assert_int_equal(read_path(scene, "/proc/self/root/etc/passwd"), TG_EDENIED);
  assert_int_equal(read_path(scene, "/proc/self/comm"), TG_OK);
  close(fd);
}

static void the_walk_by_hand_decides_as_the_kernel(void **state) {
  struct scene *scene = *state;
  const char *const paths[] = {".",         "a.txt",      "dir/b.txt",        "inside",
                               "outside",   "up",         "up/in/a.txt",      "absolute",
                               "loop",      "absent",     "a.txt/x",          "dir/../a.txt",
                               "..",        "../in",      "dir/../../in/dir", "/etc/passwd",
                               "dir/../..", "inside/../x"};
  int folder = open(path_of(scene, "project/in"), O_PATH | O_DIRECTORY | O_CLOEXEC);
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
    int kernel = tg_beneath_open(folder, paths[i], O_RDONLY);
    int kernel_errno = kernel < 0 ? errno : 0;
    int hand = tg_beneath_open_by_hand(folder, paths[i], O_RDONLY);
    int hand_errno = hand < 0 ? errno : 0;
    if (kernel_errno != hand_errno)
      fail_msg("%s: %s, by hand %s", paths[i], strerror(kernel_errno), strerror(hand_errno));
    struct stat a, b;
    if (kernel >= 0) {
      assert_int_equal(fstat(kernel, &a) | fstat(hand, &b), 0);
      assert_int_equal(a.st_ino, b.st_ino);
      close(kernel);
      close(hand);
    }
  }
  close(folder);
}

static void tells_what_cannot_be_read(void **state) {
  struct scene *scene = *state;
  assert_int_equal(read_path(scene, "in/absent"), TG_ENOT_FOUND);
  assert_int_equal(read_path(scene, "in/dir"), TG_EINVALID);
  assert_int_equal(read_path(scene, "in/pipe"), TG_EINVALID);
  assert_int_equal(read_path(scene, ""), TG_EINVALID);
  assert_int_equal(tg_files_read(&scene->files, "in/a.txt", 3, &scene->out, &scene->err),
                   TG_ELIMIT);
  assert_non_null(strstr(scene->err.text, "file.lines"));
}

static int chunk(struct scene *scene, const char *path, struct tg_files_place *place) {
  tg_buf_clear(&scene->out);
  return tg_files_chunk(&scene->files, path, 10, place, &scene->out, &scene->err);
}

static void chunks_end_at_a_line_end(void **state) {
  struct scene *scene = *state;
  struct tg_files_place place = {0};
  put(scene, "project/in/lines", "one\ntwo\nthree\nlast");
  assert_int_equal(chunk(scene, "in/lines", &place), TG_OK);
  assert_string_equal(scene->out.data, "one\ntwo\n");
  assert_false(place.is_end);
  assert_int_equal(chunk(scene, "in/lines", &place), TG_OK);
  assert_string_equal(scene->out.data, "three\n");
  assert_int_equal(chunk(scene, "in/lines", &place), TG_OK);
  assert_string_equal(scene->out.data, "last");
  assert_true(place.is_end);
}

static void a_file_that_changes_under_the_reader_is_told(void **state) {
  struct scene *scene = *state;
  struct tg_files_place place = {0};
  put(scene, "project/in/lines", "one\ntwo\nthree\nlast");
  assert_int_equal(chunk(scene, "in/lines", &place), TG_OK);
  put(scene, "project/in/lines", "another\nfile\nin\nits\nplace\n");
  assert_int_equal(chunk(scene, "in/lines", &place), TG_ECONFLICT);
  place = (struct tg_files_place){0};
  assert_int_equal(chunk(scene, "in/lines", &place), TG_OK);
  assert_int_equal(truncate(path_of(scene, "project/in/lines"), 2), 0);
  assert_int_equal(chunk(scene, "in/lines", &place), TG_ECONFLICT);
  place = (struct tg_files_place){0};
  put(scene, "project/in/lines", "a line that is too long\n");
  assert_int_equal(chunk(scene, "in/lines", &place), TG_ELIMIT);
}

static void entry_put(void *self, const char *name, const struct tg_file_info *info) {
  tg_buf_putf(self, "%s:%d:%lld ", name, (int)info->type, (long long)info->size_bytes);
}

static void lists_and_tells(void **state) {
  struct scene *scene = *state;
  struct tg_file_info info;
  put(scene, "project/out/z", "12");
  put(scene, "project/out/b", "1");
  assert_int_equal(tg_files_list(&scene->files, "out/.", entry_put, &scene->out, NULL), TG_OK);
  assert_memory_equal(scene->out.data, "b:0:1 escape:2:5 private:1:", 27);
  assert_int_equal(tg_files_stat(&scene->files, "in/inside", &info, NULL), TG_OK);
  assert_int_equal(info.type, TG_FILE_TYPE_FILE);
  assert_int_equal(info.size_bytes, 8);
  assert_int_equal(tg_files_stat(&scene->files, "in/pipe", &info, NULL), TG_OK);
  assert_int_equal(info.type, TG_FILE_TYPE_OTHER);
  assert_int_equal(tg_files_stat(&scene->files, "in/outside", &info, NULL), TG_EDENIED);
  assert_int_equal(tg_files_list(&scene->files, "in/a.txt", entry_put, &scene->out, NULL),
                   TG_ENOT_FOUND);
}

static int write_path(struct scene *scene, const char *path) {
  return tg_files_write(&scene->files, path, "new\0text", 8, &scene->err);
}

static void writes_whole_files_below_roots_that_allow_it(void **state) {
  struct scene *scene = *state;
  assert_int_equal(write_path(scene, "out/made/for/it.txt"), TG_OK);
  assert_int_equal(write_path(scene, "out/made/for/it.txt"), TG_OK);
  assert_int_equal(read_path(scene, "out/made/for/it.txt"), TG_OK);
  assert_int_equal(scene->out.len, 8);
  assert_int_equal(write_path(scene, "in/a.txt"), TG_EDENIED);
  assert_non_null(strstr(scene->err.text, "project/out"));
  assert_null(strstr(scene->err.text, "project/in,"));
  assert_int_equal(write_path(scene, "out/escape/secret.txt"), TG_EDENIED);
  assert_int_equal(write_path(scene, "out/../../secret.txt"), TG_EDENIED);
  assert_int_equal(write_path(scene, "out/private"), TG_EINVALID);
  assert_int_equal(write_path(scene, "out"), TG_EINVALID);
  assert_int_equal(read_path(scene, "in/a.txt"), TG_OK);
}

static void a_root_inside_another_decides_for_itself(void **state) {
  struct scene *scene = *state;
  assert_int_equal(tg_files_add_root(&scene->files, "out/private", false, NULL), TG_OK);
  assert_int_equal(write_path(scene, "out/private/x"), TG_EDENIED);
  assert_int_equal(write_path(scene, "out/x"), TG_OK);
}

static void a_write_that_fails_leaves_the_old_file_and_nothing_else(void **state) {
  struct scene *scene = *state;
  put(scene, "project/out/private/old", "old");
  assert_int_equal(write_path(scene, "out/private/old/below"), TG_ENOT_FOUND);
  assert_int_equal(write_path(scene, "out/private"), TG_EINVALID);
  tg_files_list(&scene->files, "out", entry_put, &scene->out, NULL);
  assert_null(strstr(scene->out.data, ".tmp"));
  assert_int_equal(read_path(scene, "out/private/old"), TG_OK);
  assert_string_equal(scene->out.data, "old");
}

static void roots_are_checked(void **state) {
  struct scene *scene = *state;
  assert_int_equal(tg_files_add_root(&scene->files, "absent", false, &scene->err), TG_ENOT_FOUND);
  assert_int_equal(tg_files_add_root(&scene->files, "../x", false, &scene->err), TG_EINVALID);
  assert_int_equal(tg_files_add_root(&scene->files, "in/a.txt", false, &scene->err), TG_ENOT_FOUND);
  assert_int_equal(tg_files_add_root(&scene->files, "made", true, &scene->err), TG_OK);
}

static int serve(struct scene *scene, const struct tg_buf *body, size_t len) {
  tg_buf_clear(&scene->out);
  return tg_files_service_call(&scene->files, body->data, len, &scene->out, &scene->err);
}

static void requests_are_served_or_refused(void **state) {
  struct scene *scene = *state;
  struct tg_buf body;
  tg_buf_init(&body, 1000);
  tg_wire_put_u8(&body, TG_FILE_CHUNK);
  tg_wire_put_text(&body, "in/a.txt");
  for (int i = 0; i < 3; i++) tg_wire_put_u64(&body, 0);
  assert_int_equal(serve(scene, &body, body.len), TG_OK);
  struct tg_reader in = tg_reader_of(scene->out.data, scene->out.len);
  assert_string_equal(tg_wire_get_text(&in), "one\ntwo\n");
  assert_int_equal(tg_wire_get_u64(&in), 8);
  assert_int_not_equal(tg_wire_get_u64(&in), 0);
  assert_int_equal(tg_wire_get_u8(&in), 1);
  assert_true(tg_reader_is_done(&in));
  for (size_t len = 0; len < body.len; len++)
    assert_int_equal(serve(scene, &body, len), TG_EPROTOCOL);
  body.data[0] = 99;
  assert_int_equal(serve(scene, &body, body.len), TG_EPROTOCOL);
  tg_buf_deinit(&body);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(reads_below_its_roots),
      TEST(refuses_what_leads_out),
      TEST(refuses_the_kernels_magic_links),
      TEST(the_walk_by_hand_decides_as_the_kernel),
      TEST(tells_what_cannot_be_read),
      TEST(chunks_end_at_a_line_end),
      TEST(a_file_that_changes_under_the_reader_is_told),
      TEST(lists_and_tells),
      TEST(writes_whole_files_below_roots_that_allow_it),
      TEST(a_root_inside_another_decides_for_itself),
      TEST(a_write_that_fails_leaves_the_old_file_and_nothing_else),
      TEST(roots_are_checked),
      TEST(requests_are_served_or_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
