// SPDX-License-Identifier: Apache-2.0
#include "loop/child.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"

struct scene {
  struct tg_loop *loop;
  struct tg_children *children;
  struct tg_child *child;
  struct tg_buf out, err;
  size_t out_bytes;
  bool has_exited, stops_at_output, hears_stops;
  int stop_count;
  int64_t stop_grace_ms;
  struct tg_child_exit exit;
  char folder[64];
  char key[64]; // TIDEGATE_KEY=<unique>
  struct tg_child_spec spec;
};

static const char *const env_default[] = {"PATH=/usr/local/bin:/usr/bin:/bin", NULL};

static int setup(void **state) {
  static struct scene scene;
  scene = (struct scene){.spec = {.env = env_default}};
  snprintf(scene.folder, sizeof scene.folder, "/tmp/tidegate-child-XXXXXX");
  if (!mkdtemp(scene.folder)) return -1;
  snprintf(scene.key, sizeof scene.key, "TIDEGATE_KEY=%s", strrchr(scene.folder, '-') + 1);
  tg_buf_init(&scene.out, 1 << 20);
  tg_buf_init(&scene.err, 1 << 20);
  scene.loop = tg_loop_new(NULL);
  scene.children = scene.loop ? tg_children_new(scene.loop, true, NULL) : NULL;
  *state = &scene;
  return scene.children ? 0 : -1;
}

static int teardown(void **state) {
  struct scene *scene = *state;
  tg_children_free(scene->children);
  tg_loop_free(scene->loop);
  tg_buf_deinit(&scene->out);
  tg_buf_deinit(&scene->err);
  return rmdir(scene->folder);
}

static void output(void *self, enum tg_child_stream stream, const char *bytes, size_t len) {
  struct scene *scene = self;
  struct tg_buf *buf = stream == TG_CHILD_STDOUT ? &scene->out : &scene->err;
  if (stream == TG_CHILD_STDOUT) scene->out_bytes += len;
  if (buf->len + len <= buf->max) tg_buf_put(buf, bytes, len);
  if (scene->stops_at_output) tg_child_stop(scene->child, scene->stop_grace_ms);
  scene->stops_at_output = false;
}

static void exited(void *self, const struct tg_child_exit *result) {
  struct scene *scene = self;
  scene->has_exited = true;
  scene->exit = *result;
  tg_loop_stop(scene->loop);
}

static void stopped(void *self) {
  struct scene *scene = self;
  scene->stop_count++;
  kill(tg_child_pid(scene->child), scene->stop_count < 2 ? SIGCONT : SIGKILL);
}

static int spawn(struct scene *scene, const char *const *argv, struct tg_error *err) {
  struct tg_child_callbacks callbacks = {.output = output, .exited = exited, .self = scene};
  if (scene->hears_stops) callbacks.stopped = stopped;
  scene->spec.argv = argv;
  return tg_child_spawn(scene->children, &scene->spec, &callbacks, &scene->child, err);
}

static void run(struct scene *scene, const char *const *argv) {
  struct tg_error err;
  tg_error_clear(&err);
  if (spawn(scene, argv, &err) != 0) fail_msg("%s", err.text);
  tg_loop_run(scene->loop);
  assert_true(scene->has_exited);
}

static void run_shell(struct scene *scene, const char *script) {
  const char *argv[] = {"sh", "-c", script, NULL};
  run(scene, argv);
}

// A process that was just killed may still be a zombie, so kill(pid, 0) alone does not tell.
static bool is_alive(long pid) {
  char path[64], state = 'X';
  snprintf(path, sizeof path, "/proc/%ld/stat", pid);
  FILE *file = fopen(path, "r");
  if (!file) return false;
  int got = fscanf(file, "%*d (%*[^)]) %c", &state);
  fclose(file);
  return got == 1 && state != 'Z' && state != 'X';
}

// Valgrind runs posix_spawn as fork and exec, so what exec says does not come back.
static bool is_under_valgrind(void) {
  const char *preload = getenv("LD_PRELOAD");
  return preload && strstr(preload, "vgpreload");
}

static void gives_output_of_both_streams_and_the_exit_code(void **state) {
  struct scene *scene = *state;
  run_shell(scene, "echo out; echo err >&2; exit 7");
  assert_string_equal(tg_buf_text(&scene->out), "out\n");
  assert_string_equal(tg_buf_text(&scene->err), "err\n");
  assert_int_equal(scene->exit.code, 7);
  assert_int_equal(scene->exit.signal, 0);
  assert_false(scene->exit.had_leftovers);
  assert_true(scene->exit.memory_bytes_max > 0);
}

static void names_the_signal_that_ended_it(void **state) {
  struct scene *scene = *state;
  run_shell(scene, "kill -SEGV $$");
  assert_int_equal(scene->exit.code, -1);
  assert_int_equal(scene->exit.signal, SIGSEGV);
}

static void reads_its_input_to_the_end(void **state) {
  struct scene *scene = *state;
  size_t len = 300000;
  char *input = malloc(len);
  memset(input, 'x', len);
  scene->spec.input = input;
  scene->spec.input_len = len;
  const char *argv[] = {"wc", "-c", NULL};
  run(scene, argv);
  free(input);
  assert_string_equal(tg_buf_text(&scene->out), "300000\n");
}

static void has_no_input_unless_given(void **state) {
  struct scene *scene = *state;
  const char *argv[] = {"wc", "-c", NULL};
  run(scene, argv);
  assert_string_equal(tg_buf_text(&scene->out), "0\n");
}

static void gets_exactly_its_environment_and_folder(void **state) {
  struct scene *scene = *state;
  const char *env[] = {"PATH=/usr/bin:/bin", "STAGE=two words", NULL};
  setenv("TIDEGATE_TEST_LEAK", "1", 1);
  scene->spec.env = env;
  scene->spec.cwd = scene->folder;
  const char *argv[] = {"env", NULL};
  run(scene, argv);
  unsetenv("TIDEGATE_TEST_LEAK");
  assert_string_equal(tg_buf_text(&scene->out), "PATH=/usr/bin:/bin\nSTAGE=two words\n");
  tg_buf_clear(&scene->out);
  const char *where[] = {"pwd", "-P", NULL};
  run(scene, where);
  assert_memory_equal(tg_buf_text(&scene->out), scene->folder, strlen(scene->folder));
}

static void leads_its_own_session_with_signals_at_their_defaults(void **state) {
  struct scene *scene = *state;
  sigset_t set, before;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigprocmask(SIG_BLOCK, &set, &before);
  signal(SIGPIPE, SIG_IGN);
  run_shell(scene, "cut -d' ' -f1,5,6 < /proc/$$/stat; echo $$; "
                   "grep -E '^Sig(Blk|Ign)' /proc/$$/status | tr -d '\\t'");
  sigprocmask(SIG_SETMASK, &before, NULL);
  signal(SIGPIPE, SIG_DFL);
  long pid, group, session, self;
  char rest[128];
  assert_int_equal(sscanf(tg_buf_text(&scene->out), "%ld %ld %ld %ld %127[^|]", &pid, &group,
                          &session, &self, rest),
                   5);
  assert_int_equal(pid, self);
  assert_int_equal(group, self);
  assert_int_equal(session, self);
  unsigned long long blocked, ignored;
  assert_int_equal(sscanf(rest, "SigBlk:%llx SigIgn:%llx", &blocked, &ignored), 2);
  assert_int_equal(blocked, 0);
  assert_int_equal(ignored & 0x7fffffff, 0); // the C library keeps 32 and 33 for itself
}

static void inherits_only_the_descriptors_it_is_given(void **state) {
  struct scene *scene = *state;
  int pair[2], leak = open("/dev/null", O_RDONLY); // not close-on-exec, on purpose
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  scene->spec.fds = &pair[1];
  scene->spec.fd_count = 1;
  // Without a pipe behind ls, which the shell might have open still; and not as the last command,
  // which a shell may become.
  run_shell(scene, "ls /proc/$$/fd; echo hello >&3");
  char text[8] = {0};
  assert_int_equal(read(pair[0], text, sizeof text - 1), 6);
  assert_string_equal(text, "hello\n");
  assert_string_equal(tg_buf_text(&scene->out), "0\n1\n2\n3\n");
  close(pair[0]);
  close(pair[1]);
  close(leak);
}

static void descriptors_may_be_given_in_any_order(void **state) {
  struct scene *scene = *state;
  int first[2], second[2];
  assert_int_equal(pipe2(first, O_CLOEXEC), 0);
  assert_int_equal(pipe2(second, O_CLOEXEC), 0);
  const int fds[] = {second[1], first[1]}; // crosswise: the higher number goes first
  scene->spec.fds = fds;
  scene->spec.fd_count = 2;
  run_shell(scene, "echo three >&3; echo four >&4");
  char text[16] = {0};
  assert_int_equal(read(second[0], text, sizeof text - 1), 6);
  assert_string_equal(text, "three\n");
  memset(text, 0, sizeof text);
  assert_int_equal(read(first[0], text, sizeof text - 1), 5);
  assert_string_equal(text, "four\n");
  for (int i = 0; i < 2; i++) {
    close(first[i]);
    close(second[i]);
  }
}

static void hands_on_ten_megabytes(void **state) {
  struct scene *scene = *state;
  run_shell(scene, "head -c 10485760 /dev/zero");
  assert_int_equal(scene->out_bytes, 10485760);
  assert_int_equal(scene->exit.code, 0);
}

static void assert_refused(struct scene *scene, const char *program, int code, const char *text) {
  struct tg_error err;
  tg_error_clear(&err);
  const char *argv[] = {program, NULL};
  assert_int_equal(spawn(scene, argv, &err), code);
  assert_int_equal(err.code, code);
  assert_non_null(strstr(err.text, text));
}

static void says_why_a_command_cannot_start(void **state) {
  struct scene *scene = *state;
  assert_refused(scene, "no-such-command", TG_ESPAWN,
                 "command 'no-such-command' not found in PATH");
  assert_refused(scene, "/no/such/command", TG_ESPAWN, "command '/no/such/command' not found");
  assert_refused(scene, "/etc/passwd", TG_ESPAWN, "may not be executed");
  assert_refused(scene, "/tmp", TG_ESPAWN, "may not be executed");
  assert_refused(scene, NULL, TG_EINVALID, "needs a program");
  assert_refused(scene, "", TG_EINVALID, "needs a program");
  scene->spec.cwd = "host";
  assert_refused(scene, "true", TG_EINVALID, "not an absolute path");
  scene->spec.cwd = "/no/such/folder";
  assert_refused(scene, "true", TG_ESPAWN, "'/no/such/folder'");
}

static void says_that_a_script_lacks_its_first_line(void **state) {
  struct scene *scene = *state;
  char path[128], list[128];
  snprintf(path, sizeof path, "%s/tool", scene->folder);
  FILE *file = fopen(path, "w");
  fputs("echo hello\n", file);
  fclose(file);
  snprintf(list, sizeof list, "PATH=/usr/bin:%s", scene->folder);
  const char *env[] = {list, NULL};
  scene->spec.env = env;
  chmod(path, 0600);
  assert_refused(scene, "tool", TG_ESPAWN, "command 'tool' may not be executed");
  chmod(path, 0700);
  if (!is_under_valgrind())
    assert_refused(scene, "tool", TG_ESPAWN, "'tool' is no program; a script needs");
  unlink(path);
}

static void finds_a_command_in_a_relative_folder_of_its_own(void **state) {
  struct scene *scene = *state;
  char path[128];
  snprintf(path, sizeof path, "%s/tool", scene->folder);
  FILE *file = fopen(path, "w");
  fputs("#!/bin/sh\necho found\n", file);
  fclose(file);
  chmod(path, 0700);
  const char *env[] = {"PATH=:/usr/bin", NULL}; // an empty entry is the current folder
  scene->spec.env = env;
  scene->spec.cwd = scene->folder;
  const char *argv[] = {"tool", NULL};
  run(scene, argv);
  assert_string_equal(tg_buf_text(&scene->out), "found\n");
  unlink(path);
}

static void term_ends_a_group(void **state) {
  struct scene *scene = *state;
  scene->stops_at_output = true;
  scene->stop_grace_ms = 60000;
  run_shell(scene, "sleep 600 & echo ready; wait");
  assert_int_equal(scene->exit.signal, SIGTERM);
  assert_false(scene->exit.had_leftovers);
}

static void kill_ends_what_ignores_term(void **state) {
  struct scene *scene = *state;
  scene->stops_at_output = true;
  scene->stop_grace_ms = 50;
  run_shell(scene, "trap '' TERM; echo ready; while :; do sleep 600; done");
  assert_int_equal(scene->exit.signal, SIGKILL);
}

static void no_grace_means_kill_at_once(void **state) {
  struct scene *scene = *state;
  scene->stops_at_output = true;
  run_shell(scene, "echo ready; exec sleep 600");
  assert_int_equal(scene->exit.signal, SIGKILL);
}

static void ends_what_outlives_the_leader(void **state) {
  struct scene *scene = *state;
  run_shell(scene, "sleep 600 & echo $!");
  assert_int_equal(scene->exit.code, 0);
  assert_true(scene->exit.had_leftovers);
  assert_false(is_alive(strtol(tg_buf_text(&scene->out), NULL, 10)));
}

static void kills_what_outlives_the_leader_and_ignores_term(void **state) {
  struct scene *scene = *state;
  scene->spec.grace_ms = 50;
  run_shell(scene, "(trap '' TERM; echo; while :; do sleep 600; done) & echo $!; sleep 0.2");
  assert_true(scene->exit.had_leftovers);
  assert_false(is_alive(strtol(tg_buf_text(&scene->out), NULL, 10)));
}

static void ends_what_escaped_into_another_session(void **state) {
  struct scene *scene = *state;
  const char *env[] = {env_default[0], scene->key, NULL};
  scene->spec.env = env;
  scene->spec.marker = scene->key;
  scene->spec.cwd = scene->folder;
  run_shell(scene, "setsid sh -c 'echo $$ > pid; mv pid pid.done; exec sleep 600' "
                   ">/dev/null 2>&1 & while [ ! -e pid.done ]; do sleep 0.01; done; "
                   "cat pid.done; rm pid.done");
  assert_int_equal(scene->exit.code, 0);
  assert_true(scene->exit.had_leftovers);
  long pid = strtol(tg_buf_text(&scene->out), NULL, 10);
  assert_true(pid > 1);
  assert_false(is_alive(pid));
}

static void a_child_of_the_same_marker_is_no_leftover(void **state) {
  struct scene *scene = *state;
  const char *env[] = {env_default[0], scene->key, NULL};
  scene->spec.env = env;
  scene->spec.marker = scene->key;
  const char *argv[] = {"sleep", "600", NULL};
  struct scene other = {.loop = scene->loop};
  struct tg_child_callbacks callbacks = {.exited = exited, .self = &other};
  scene->spec.argv = argv;
  struct tg_child *sleeper;
  assert_int_equal(tg_child_spawn(scene->children, &scene->spec, &callbacks, &sleeper, NULL), 0);
  run_shell(scene, "true");
  assert_false(scene->exit.had_leftovers);
  assert_false(other.has_exited);
  tg_child_stop(sleeper, 0);
  tg_loop_run(scene->loop);
  assert_true(other.has_exited);
  assert_int_equal(other.exit.signal, SIGKILL);
}

static void gives_up_pipes_that_a_stranger_holds(void **state) {
  struct scene *scene = *state;
  scene->spec.cwd = scene->folder;
  // It escapes and has no marker, so nobody looks for it; it holds stdout.
  run_shell(scene, "setsid sh -c 'echo $$ > pid; mv pid pid.done; exec sleep 600' & "
                   "while [ ! -e pid.done ]; do sleep 0.01; done; cat pid.done; rm pid.done");
  assert_int_equal(scene->exit.code, 0);
  long pid = strtol(tg_buf_text(&scene->out), NULL, 10);
  assert_true(is_alive(pid));
  kill((pid_t)pid, SIGKILL);
}

static void kills_what_carries_a_mark(void **state) {
  struct scene *scene = *state;
  const char *env[] = {env_default[0], scene->key, NULL};
  scene->spec.env = env;
  const char *argv[] = {"sleep", "600", NULL};
  assert_int_equal(spawn(scene, argv, NULL), 0);
  const char *value = strchr(scene->key, '=') + 1;
  assert_int_equal(tg_child_kill_marked("TIDEGATE_KEY", "somebody-else"), 0);
  assert_int_equal(tg_child_kill_marked("TIDEGATE_KEY", value), 1);
  tg_loop_run(scene->loop);
  assert_int_equal(scene->exit.signal, SIGKILL);
  assert_int_equal(tg_child_kill_marked("TIDEGATE_KEY", value), 0);
}

static void freeing_all_kills_what_runs(void **state) {
  struct scene *scene = *state;
  const char *argv[] = {"sleep", "600", NULL};
  assert_int_equal(spawn(scene, argv, NULL), 0);
  pid_t pid = tg_child_pid(scene->child);
  tg_children_free(scene->children);
  scene->children = NULL;
  assert_false(scene->has_exited);
  assert_int_equal(kill(pid, 0), -1);
  assert_int_equal(errno, ESRCH);
}

static void many_children_end_one_by_one(void **state) {
  struct scene *scene = *state;
  enum { COUNT = 40 };
  const char *argv[] = {"true", NULL};
  static struct scene scenes[COUNT];
  for (int i = 0; i < COUNT; i++) {
    scenes[i] = (struct scene){.loop = scene->loop};
    struct tg_child_callbacks callbacks = {.exited = exited, .self = &scenes[i]};
    scene->spec.argv = argv;
    assert_int_equal(
        tg_child_spawn(scene->children, &scene->spec, &callbacks, &scenes[i].child, NULL), 0);
  }
  for (int i = 0; i < COUNT; i++) {
    while (!scenes[i].has_exited) tg_loop_turn(scene->loop, true);
    assert_int_equal(scenes[i].exit.code, 0);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void tells_each_time_a_signal_stops_it(void **state) {
  struct scene *scene = *state;
  const char *const argv[] = {"sh", "-c", "kill -STOP $$; kill -STOP $$; sleep 1000", NULL};
  scene->hears_stops = true;
  assert_int_equal(spawn(scene, argv, NULL), 0);
  tg_loop_run(scene->loop);
  assert_int_equal(scene->stop_count, 2);
  assert_int_equal(scene->exit.signal, SIGKILL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(gives_output_of_both_streams_and_the_exit_code),
      TEST(names_the_signal_that_ended_it),
      TEST(reads_its_input_to_the_end),
      TEST(has_no_input_unless_given),
      TEST(gets_exactly_its_environment_and_folder),
      TEST(leads_its_own_session_with_signals_at_their_defaults),
      TEST(inherits_only_the_descriptors_it_is_given),
      TEST(descriptors_may_be_given_in_any_order),
      TEST(hands_on_ten_megabytes),
      TEST(says_why_a_command_cannot_start),
      TEST(says_that_a_script_lacks_its_first_line),
      TEST(finds_a_command_in_a_relative_folder_of_its_own),
      TEST(term_ends_a_group),
      TEST(kill_ends_what_ignores_term),
      TEST(no_grace_means_kill_at_once),
      TEST(ends_what_outlives_the_leader),
      TEST(kills_what_outlives_the_leader_and_ignores_term),
      TEST(ends_what_escaped_into_another_session),
      TEST(a_child_of_the_same_marker_is_no_leftover),
      TEST(gives_up_pipes_that_a_stranger_holds),
      TEST(kills_what_carries_a_mark),
      TEST(freeing_all_kills_what_runs),
      TEST(many_children_end_one_by_one),
      TEST(tells_each_time_a_signal_stops_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
