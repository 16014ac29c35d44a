// SPDX-License-Identifier: Apache-2.0
#include "script/seal.h"

#include <errno.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"

// A sanitizer's runtime opens files, maps shadow memory of terabytes and starts a thread that
// traces this one; under it some layers are weaker, and the report says so.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { IS_SANITIZED = 1 };
#else
enum { IS_SANITIZED = 0 };
#endif

__attribute__((format(printf, 3, 4))) static void
layer_missing(struct tg_seal_report *report, enum tg_seal_layer layer, const char *format, ...) {
  size_t len = strlen(report->text);
  va_list args;
  if (report->missing) len += (size_t)snprintf(report->text + len, sizeof report->text - len, "; ");
  report->missing |= (uint32_t)layer;
  va_start(args, format);
  if (len < sizeof report->text)
    vsnprintf(report->text + len, sizeof report->text - len, format, args);
  va_end(args);
}

// TZ stays, with a zone that needs no file: without it libc looks at /etc/localtime on each call.
static void environment_empty(struct tg_seal_report *report) {
  if (clearenv() != 0 || setenv("TZ", "UTC0", 1) != 0)
    layer_missing(report, TG_SEAL_ENVIRONMENT, "environment: %s", strerror(errno));
  tzset();
}

static void descriptors_close(int channel_fd, struct tg_seal_report *report) {
  unsigned int keep = (unsigned int)channel_fd;
  bool is_done = (keep <= 3 || close_range(3, keep - 1, 0) == 0) &&
                 close_range(keep < 3 ? 3 : keep + 1, ~0U, 0) == 0;
  if (!is_done) layer_missing(report, TG_SEAL_DESCRIPTORS, "descriptors: %s", strerror(errno));
}

static void process_restrict(struct tg_seal_report *report) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    layer_missing(report, TG_SEAL_PRIVILEGES, "no_new_privs: %s", strerror(errno));
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
    layer_missing(report, TG_SEAL_PARENT, "parent death signal: %s", strerror(errno));
  if (IS_SANITIZED)
    layer_missing(report, TG_SEAL_DUMPABLE, "dumpable: kept for the sanitizer");
  else if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
    layer_missing(report, TG_SEAL_DUMPABLE, "dumpable: %s", strerror(errno));
}

static void limit_set(int resource, rlim_t value, const char *name, struct tg_seal_report *report) {
  struct rlimit limit = {.rlim_cur = value, .rlim_max = value};
  if (setrlimit((__rlimit_resource_t)resource, &limit) != 0)
    layer_missing(report, TG_SEAL_LIMITS, "limit of %s: %s", name, strerror(errno));
}

static void limits_set(struct tg_seal_report *report) {
  limit_set(RLIMIT_CORE, 0, "core files", report);
  if (IS_SANITIZED) {
    layer_missing(report, TG_SEAL_LIMITS, "limits: only core files under a sanitizer");
    return;
  }
  limit_set(RLIMIT_NOFILE, 4, "descriptors", report);
  limit_set(RLIMIT_NPROC, 0, "processes", report);
  limit_set(RLIMIT_FSIZE, 0, "file size", report);
  signal(SIGXFSZ, SIG_IGN); // a message on a standard error that is a file is lost, and no more
  limit_set(RLIMIT_AS, (rlim_t)TG_WORKER_BYTES_MAX, "memory", report);
}

// Handles every right the kernel knows and then allows none; the rights of an ABI are those below
// the first bit it does not have.
static uint64_t landlock_rights(long abi) {
  if (abi >= 5) return (LANDLOCK_ACCESS_FS_MAKE_SYM << 4) - 1; // refer, truncate, ioctl_dev
  if (abi >= 3) return (LANDLOCK_ACCESS_FS_MAKE_SYM << 3) - 1; // refer, truncate
  if (abi == 2) return (LANDLOCK_ACCESS_FS_MAKE_SYM << 2) - 1; // refer
  return (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
}

static void landlock_apply(struct tg_seal_report *report) {
  if (IS_SANITIZED) {
    layer_missing(report, TG_SEAL_LANDLOCK, "landlock: off, the sanitizer reads its maps");
    return;
  }
  long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
  struct landlock_ruleset_attr rights = {.handled_access_fs = landlock_rights(abi)};
  int fd = abi < 1 ? -1
                   : (int)syscall(SYS_landlock_create_ruleset, &rights,
                                  sizeof rights.handled_access_fs, 0);
  if (fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0) != 0)
    layer_missing(report, TG_SEAL_LANDLOCK, "landlock: %s", strerror(errno));
  if (fd >= 0) close(fd);
}

// What the worker needs: its channel, memory, time, and signals to itself.
static const int allowed[] = {
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(recvfrom),
    SCMP_SYS(sendto),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(brk),
    SCMP_SYS(madvise),
    SCMP_SYS(futex),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(time),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(getrandom),
    SCMP_SYS(tgkill),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(sched_yield),
    SCMP_SYS(close),
    SCMP_SYS(sysinfo),
    SCMP_SYS(restart_syscall),
};

// What libc tries in passing and can do without: the call fails instead of killing the process.
static const int refused[] = {
    SCMP_SYS(open),      SCMP_SYS(openat),     SCMP_SYS(stat),  SCMP_SYS(fstat),
    SCMP_SYS(lstat),     SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(access),
    SCMP_SYS(readlink),  SCMP_SYS(ioctl),      SCMP_SYS(fcntl), SCMP_SYS(lseek),
    SCMP_SYS(prlimit64), SCMP_SYS(getrlimit),  SCMP_SYS(uname), SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
};

// Under a sanitizer, whose runtime needs most calls: the ones that leave the process.
static const int killed[] = {
    SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(socket),  SCMP_SYS(connect),
    SCMP_SYS(bind),   SCMP_SYS(listen),   SCMP_SYS(accept4),
};

static int rules_add(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t count) {
  int rc = 0;
  for (size_t i = 0; i < count && rc == 0; i++) rc = seccomp_rule_add(filter, action, calls[i], 0);
  return rc;
}

// Memory may be mapped and its protection changed as long as it does not become executable.
static int memory_rules_add(scmp_filter_ctx filter) {
  struct scmp_arg_cmp is_plain = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
  int rc = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, &is_plain);
  if (rc != 0) return rc;
  return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, &is_plain);
}

static int filter_fill(scmp_filter_ctx filter) {
  if (IS_SANITIZED)
    return rules_add(filter, SCMP_ACT_KILL_PROCESS, killed, sizeof killed / sizeof *killed);
  int rc = rules_add(filter, SCMP_ACT_ALLOW, allowed, sizeof allowed / sizeof *allowed);
  if (rc == 0)
    rc = rules_add(filter, SCMP_ACT_ERRNO(EPERM), refused, sizeof refused / sizeof *refused);
  return rc ? rc : memory_rules_add(filter);
}

static void syscalls_filter(struct tg_seal_report *report) {
  scmp_filter_ctx filter = seccomp_init(IS_SANITIZED ? SCMP_ACT_ALLOW : SCMP_ACT_KILL_PROCESS);
  int rc = filter ? filter_fill(filter) : -ENOMEM;
  if (rc == 0) rc = seccomp_load(filter);
  if (rc != 0) layer_missing(report, TG_SEAL_SYSCALLS, "seccomp: %s", strerror(-rc));
  if (IS_SANITIZED)
    layer_missing(report, TG_SEAL_SYSCALLS, "seccomp: only programs and sockets are refused");
  seccomp_release(filter);
}

int tg_seal_apply(int channel_fd, struct tg_seal_report *report) {
  *report = (struct tg_seal_report){.missing = 0};
  environment_empty(report);
  descriptors_close(channel_fd, report);
  process_restrict(report);
  landlock_apply(report);
  limits_set(report);
  syscalls_filter(report);
  if (report->missing) return -1;
  snprintf(report->text, sizeof report->text, "complete");
  return 0;
}
