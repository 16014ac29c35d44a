// SPDX-License-Identifier: Apache-2.0
// What a sealed process can no longer do. Each probe runs in a child of its own, since most of them
// are killed for it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "script/seal.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { IS_SANITIZED = 1 };
#else
enum { IS_SANITIZED = 0 };
#endif

extern char **environ;

// Runs a probe in a sealed child: 0 when it gives true, 1 when not, or -signal.
static int sealed(bool (*probe)(int channel)) {
  int pair[2], status;
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) {
    struct tg_seal_report report;
    tg_seal_apply(pair[1], &report);
    _exit(!probe(pair[1]));
  }
  close(pair[1]);
  char byte;
  while (read(pair[0], &byte, 1) > 0) {
  }
  close(pair[0]);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static bool works(int channel) {
  struct timespec now;
  char *memory = malloc(1 << 20);
  memset(memory, 1, 1 << 20);
  bool is_fine = clock_gettime(CLOCK_MONOTONIC, &now) == 0 && send(channel, "x", 1, 0) == 1;
  time_t day = 0;
  is_fine = is_fine && localtime(&day)->tm_year == 70;
  free(memory);
  return is_fine;
}

static void leaves_memory_time_and_the_channel(void **state) {
  (void)state;
  assert_int_equal(sealed(works), 0);
}

static bool has_only_a_zone(int channel) {
  (void)channel;
  return environ && environ[0] && strcmp(environ[0], "TZ=UTC0") == 0 && !environ[1];
}

static void empties_the_environment(void **state) {
  (void)state;
  assert_int_equal(sealed(has_only_a_zone), 0);
}

static bool has_only_the_channel(int channel) {
  char byte;
  for (int fd = 3; fd < 64; fd++)
    if (fd != channel && !(read(fd, &byte, 0) < 0 && errno == EBADF)) return false;
  return read(channel, &byte, 0) == 0;
}

static void closes_every_other_descriptor(void **state) {
  (void)state;
  int other = open("/dev/null", O_RDONLY);
  assert_true(other >= 0);
  assert_int_equal(sealed(has_only_the_channel), 0);
  close(other);
}

static bool cannot_open(int channel) {
  (void)channel;
  return open("/etc/passwd", O_RDONLY) < 0 &&
         open("/tmp/tidegate-seal", O_CREAT | O_WRONLY, 0600) < 0;
}

static void opens_no_file(void **state) {
  (void)state;
  if (IS_SANITIZED) skip();
  assert_int_equal(sealed(cannot_open), 0);
}

static bool makes_a_socket(int channel) {
  (void)channel;
  return socket(AF_INET, SOCK_STREAM, 0) >= 0;
}

static bool starts_a_program(int channel) {
  (void)channel;
  char *const argv[] = {"true", NULL};
  return execve("/bin/true", argv, argv + 1) == 0;
}

static bool forks(int channel) {
  (void)channel;
  return fork() >= 0;
}

static bool makes_memory_executable(int channel) {
  (void)channel;
  return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
         MAP_FAILED;
}

static bool signals_its_parent(int channel) {
  (void)channel;
  return kill(getppid(), 0) == 0;
}

static void is_killed_for_leaving_the_process(void **state) {
  (void)state;
  assert_int_equal(sealed(makes_a_socket), -SIGSYS);
  assert_int_equal(sealed(starts_a_program), -SIGSYS);
  if (IS_SANITIZED) return;
  assert_int_equal(sealed(forks), -SIGSYS);
  assert_int_equal(sealed(makes_memory_executable), -SIGSYS);
  assert_int_equal(sealed(signals_its_parent), -SIGSYS);
}

static bool has_a_ceiling(int channel) {
  (void)channel;
  return malloc((size_t)3 << 30) == NULL;
}

static void has_a_ceiling_on_memory(void **state) {
  (void)state;
  if (IS_SANITIZED) skip();
  assert_int_equal(sealed(has_a_ceiling), 0);
}

// The report is what doctor shows, so it must say what is missing and nothing else.
static bool reports(int channel) {
  struct tg_seal_report report;
  int rc = tg_seal_apply(channel, &report);
  bool is_complete = strcmp(report.text, "complete") == 0;
  if (IS_SANITIZED && !strstr(report.text, "seccomp: only programs and sockets")) return false;
  return (rc == 0) == is_complete && (report.missing == 0) == is_complete && report.text[0];
}

static void reports_what_is_missing(void **state) {
  (void)state;
  fflush(NULL);
  pid_t pid = fork();
  int pair[2], status;
  if (pid == 0) _exit(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || !reports(pair[0]));
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(leaves_memory_time_and_the_channel),
      cmocka_unit_test(empties_the_environment),
      cmocka_unit_test(closes_every_other_descriptor),
      cmocka_unit_test(opens_no_file),
      cmocka_unit_test(is_killed_for_leaving_the_process),
      cmocka_unit_test(has_a_ceiling_on_memory),
      cmocka_unit_test(reports_what_is_missing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
