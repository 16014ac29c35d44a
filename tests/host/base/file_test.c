// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct scene {
  char folder[64], path[256];
  struct tg_buf buf;
  struct tg_error err;
};

static const char *path_of(struct scene *scene, const char *name) {
  snprintf(scene->path, sizeof scene->path, "%s/%s", scene->folder, name);
  return scene->path;
}

static int setup(void **state) {
  struct scene *scene = calloc(1, sizeof *scene);
  strcpy(scene->folder, "/tmp/tidegate-test-XXXXXX");
  assert_non_null(mkdtemp(scene->folder));
  tg_buf_init(&scene->buf, 1000);
  *state = scene;
  return 0;
}

// Also shows that nothing is left but what a test asked for: files f and g, folders a, a/b, a/b/c.
static int teardown(void **state) {
  static const char *const names[] = {"f", "g", "a/b/c", "a/b", "a"};
  struct scene *scene = *state;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) remove(path_of(scene, names[i]));
  int left = rmdir(scene->folder);
  tg_buf_deinit(&scene->buf);
  free(scene);
  return left;
}

static void reads_what_was_written(void **state) {
  struct scene *scene = *state;
  assert_int_equal(tg_file_write(path_of(scene, "f"), "a\0b", 3, &scene->err), TG_OK);
  assert_int_equal(tg_file_read(scene->path, &scene->buf, &scene->err), TG_OK);
  assert_int_equal(scene->buf.len, 3);
  assert_memory_equal(scene->buf.data, "a\0b", 3);
  assert_int_equal(tg_file_write(scene->path, NULL, 0, &scene->err), TG_OK);
  tg_buf_clear(&scene->buf);
  assert_int_equal(tg_file_read(scene->path, &scene->buf, &scene->err), TG_OK);
  assert_int_equal(scene->buf.len, 0);
}

static void replaces_a_file_under_its_readers(void **state) {
  struct scene *scene = *state;
  char block[8] = "";
  assert_int_equal(tg_file_write(path_of(scene, "f"), "old", 3, &scene->err), TG_OK);
  FILE *reader = fopen(scene->path, "r");
  assert_int_equal(tg_file_write(scene->path, "newer", 5, &scene->err), TG_OK);
  assert_int_equal(fread(block, 1, sizeof block, reader), 3);
  assert_string_equal(block, "old");
  fclose(reader);
  assert_int_equal(tg_file_read(scene->path, &scene->buf, &scene->err), TG_OK);
  assert_string_equal(tg_buf_text(&scene->buf), "newer");
  struct stat info;
  stat(scene->path, &info);
  assert_int_equal(info.st_mode & 0777, 0644);
}

static void reads_up_to_the_ceiling(void **state) {
  struct scene *scene = *state;
  char bytes[1001] = {0};
  assert_int_equal(tg_file_write(path_of(scene, "f"), bytes, 1000, &scene->err), TG_OK);
  assert_int_equal(tg_file_read(scene->path, &scene->buf, &scene->err), TG_OK);
  tg_buf_clear(&scene->buf);
  assert_int_equal(tg_file_write(scene->path, bytes, 1001, &scene->err), TG_OK);
  assert_int_equal(tg_file_read(scene->path, &scene->buf, &scene->err), TG_ELIMIT);
  assert_non_null(strstr(scene->err.text, "larger than 1000 bytes"));
}

static void says_why_it_cannot_read(void **state) {
  struct scene *scene = *state;
  assert_int_equal(tg_file_read(path_of(scene, "none"), &scene->buf, &scene->err), TG_ENOT_FOUND);
  assert_non_null(strstr(scene->err.text, scene->path));
  assert_int_equal(tg_file_read(scene->folder, &scene->buf, &scene->err), TG_EIO);
  assert_int_equal(tg_file_write(path_of(scene, "no/f"), "", 0, &scene->err), TG_ENOT_FOUND);
  assert_int_equal(tg_file_write(scene->folder, "", 0, &scene->err), TG_EIO); // it is a folder
  assert_int_equal(tg_file_code(EACCES), TG_EDENIED);
  assert_int_equal(tg_file_code(EROFS), TG_EDENIED);
}

static void refuses_a_path_that_is_too_long(void **state) {
  struct scene *scene = *state;
  char path[5000];
  memset(path, 'x', sizeof path - 1);
  path[sizeof path - 1] = 0;
  assert_int_equal(tg_file_write(path, "", 0, &scene->err), TG_EINVALID);
  assert_int_equal(tg_file_make_folder(path, &scene->err), TG_EINVALID);
}

// Runs in a child, which may write 4 bytes to a file and no more.
static int write_with_a_limit(const char *path) {
  const struct rlimit limit = {.rlim_cur = 4, .rlim_max = 4};
  struct tg_error err;
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &limit);
  return tg_file_write(path, "longer than that", 16, &err);
}

static void a_failed_write_leaves_the_old_file(void **state) {
  struct scene *scene = *state;
  assert_int_equal(tg_file_write(path_of(scene, "f"), "old", 3, &scene->err), TG_OK);
  pid_t child = fork();
  if (child == 0) _exit(write_with_a_limit(scene->path));
  int status;
  waitpid(child, &status, 0);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), TG_EIO);
  assert_int_equal(tg_file_read(scene->path, &scene->buf, &scene->err), TG_OK);
  assert_string_equal(tg_buf_text(&scene->buf), "old");
}

// A pipe takes less than this at once.
static void all_is_written_whatever_a_call_takes(void **state) {
  (void)state;
  enum { LEN = 1 << 20 };
  static char bytes[LEN];
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    _exit(tg_file_put(ends[1], bytes, LEN) == LEN ? 0 : 1);
  }
  close(ends[1]);
  size_t sum = 0;
  for (ssize_t got; (got = read(ends[0], bytes, LEN)) > 0;) sum += (size_t)got;
  assert_int_equal(sum, LEN);
  int status;
  waitpid(child, &status, 0);
  assert_int_equal(status, 0);
  close(ends[0]);
  int full = open("/dev/full", O_WRONLY);
  assert_int_equal(tg_file_put(full, bytes, 10), 0);
  assert_int_equal(errno, ENOSPC);
  close(full);
}

static void makes_folders(void **state) {
  struct scene *scene = *state;
  struct stat info;
  assert_int_equal(tg_file_make_folder(path_of(scene, "a/b//c/"), &scene->err), TG_OK);
  assert_int_equal(stat(scene->path, &info), 0);
  assert_int_equal(tg_file_make_folder(scene->path, &scene->err), TG_OK);
  assert_int_equal(tg_file_make_folder("/", &scene->err), TG_OK);
  assert_int_equal(tg_file_make_folder(".", &scene->err), TG_OK);
}

static void refuses_a_folder_where_a_file_is(void **state) {
  struct scene *scene = *state;
  tg_file_write(path_of(scene, "f"), "", 0, NULL);
  assert_int_equal(tg_file_make_folder(scene->path, &scene->err), TG_EINVALID);
  assert_int_not_equal(tg_file_make_folder(path_of(scene, "f/g"), &scene->err), TG_OK);
  assert_int_equal(tg_file_make_folder("", &scene->err), TG_EINVALID);
}

#define SCENE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE_TEST(reads_what_was_written),
      SCENE_TEST(replaces_a_file_under_its_readers),
      SCENE_TEST(reads_up_to_the_ceiling),
      SCENE_TEST(says_why_it_cannot_read),
      SCENE_TEST(refuses_a_path_that_is_too_long),
      SCENE_TEST(a_failed_write_leaves_the_old_file),
      SCENE_TEST(all_is_written_whatever_a_call_takes),
      SCENE_TEST(makes_folders),
      SCENE_TEST(refuses_a_folder_where_a_file_is),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
