// SPDX-License-Identifier: Apache-2.0
#include "loop/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

enum { FIRST_FD = 3 };

// What the child gets: descriptors of ours that lie above every number of his, so that moving them
// into place one after the other cannot overwrite one that is still to be moved.
struct plan {
  int *fds; // stdin, stdout, stderr, then the spec's
  size_t count;
};

static void fd_close(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

static int fd_raise(struct plan *plan, size_t at, int fd) {
  plan->fds[at] = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FD + (int)plan->count);
  return plan->fds[at] < 0 ? -1 : 0;
}

// Takes a descriptor that is the plan's from then on; mostly it is high enough as it is.
static int fd_take(struct plan *plan, size_t at, int fd) {
  if (fd >= FIRST_FD + (int)plan->count) {
    plan->fds[at] = fd;
    return 0;
  }
  int status = fd_raise(plan, at, fd);
  close(fd);
  return status;
}

static int null_open(struct plan *plan, size_t at) {
  int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
  return fd < 0 ? -1 : fd_take(plan, at, fd);
}

// A file in memory needs nobody who feeds it, and cannot break as a pipe does.
static int input_open(struct plan *plan, const struct tg_child_spec *spec) {
  if (!spec->input) return null_open(plan, 0);
  int fd = memfd_create("stdin", MFD_CLOEXEC);
  if (fd < 0) return -1;
  const char *bytes = spec->input;
  size_t done = 0;
  while (done < spec->input_len) {
    ssize_t put = pwrite(fd, bytes + done, spec->input_len - done, (off_t)done);
    if (put < 0 && errno != EINTR) break;
    if (put > 0) done += (size_t)put;
  }
  if (done == spec->input_len) return fd_take(plan, 0, fd);
  close(fd);
  return -1;
}

static int output_open(struct plan *plan, size_t at, int *ours) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return -1;
  *ours = ends[0];
  return fd_take(plan, at, ends[1]);
}

static void plan_deinit(struct plan *plan) {
  for (size_t i = 0; i < plan->count; i++) fd_close(&plan->fds[i]);
  free(plan->fds);
}

static int plan_init(struct plan *plan, const struct tg_child_spec *spec, bool has_output,
                     int out[2]) {
  *plan = (struct plan){.count = FIRST_FD + spec->fd_count};
  plan->fds = malloc(plan->count * sizeof *plan->fds);
  if (!plan->fds) {
    plan->count = 0;
    return -1;
  }
  for (size_t i = 0; i < plan->count; i++) plan->fds[i] = -1;
  if (input_open(plan, spec) != 0) return -1;
  for (size_t i = 0; i < 2; i++)
    if ((has_output ? output_open(plan, i + 1, &out[i]) : null_open(plan, i + 1)) != 0) return -1;
  for (size_t i = 0; i < spec->fd_count; i++)
    if (fd_raise(plan, FIRST_FD + i, spec->fds[i]) != 0) return -1;
  return 0;
}

static const char *env_find(const char *const *env, const char *name) {
  size_t len = strlen(name);
  for (; *env; env++)
    if (strncmp(*env, name, len) == 0 && (*env)[len] == '=') return *env + len + 1;
  return NULL;
}

// Gives 0 for a file that may be executed, else an errno.
static int program_check(const char *path) {
  struct stat facts;
  if (stat(path, &facts) != 0) return errno;
  if (!S_ISREG(facts.st_mode)) return EACCES;
  return access(path, X_OK) == 0 ? 0 : errno;
}

// Puts folder/name into `path`; a relative folder counts from the child's own.
static const char *path_join(struct tg_buf *path, const struct tg_child_spec *spec,
                             const char *folder, size_t len) {
  tg_buf_clear(path);
  if ((len == 0 || folder[0] != '/') && spec->cwd) tg_buf_putf(path, "%s/", spec->cwd);
  if (len) tg_buf_putf(path, "%.*s/", (int)len, folder);
  tg_buf_puts(path, spec->argv[0]);
  return tg_buf_text(path);
}

static int program_failed(const char *name, int errnum, struct tg_error *err) {
  if (errnum == EACCES)
    return tg_error_set(err, TG_ESPAWN, "command '%s' may not be executed", name);
  if (strchr(name, '/')) return tg_error_set(err, TG_ESPAWN, "command '%s' not found", name);
  return tg_error_set(err, TG_ESPAWN, "command '%s' not found in PATH", name);
}

// Finds the program as execvp would, but in the child's PATH: the host's is none of its business.
static int program_find(const struct tg_child_spec *spec, struct tg_buf *path,
                        struct tg_error *err) {
  const char *name = spec->argv[0];
  if (strchr(name, '/')) {
    int errnum = program_check(path_join(path, spec, name[0] == '/' ? "/" : "", name[0] == '/'));
    return errnum ? program_failed(name, errnum, err) : 0;
  }
  const char *list = env_find(spec->env, "PATH");
  if (!list) list = "/usr/local/bin:/usr/bin:/bin";
  int failed = ENOENT;
  for (;; list++) {
    size_t len = strcspn(list, ":");
    int errnum = program_check(path_join(path, spec, list, len));
    if (!errnum) return 0;
    if (errnum == EACCES) failed = errnum;
    list += len;
    if (!*list) return program_failed(name, failed, err);
  }
}

static int spec_check(const struct tg_child_spec *spec, struct tg_error *err) {
  if (!spec->argv[0] || !spec->argv[0][0])
    return tg_error_set(err, TG_EINVALID, "a command needs a program as its first argument");
  struct stat facts;
  if (!spec->cwd) return 0;
  if (spec->cwd[0] != '/')
    return tg_error_set(err, TG_EINVALID, "the folder '%s' is not an absolute path", spec->cwd);
  if (stat(spec->cwd, &facts) != 0)
    return tg_error_errno(err, TG_ESPAWN, errno, "cannot use the folder '%s'", spec->cwd);
  if (!S_ISDIR(facts.st_mode))
    return tg_error_set(err, TG_ESPAWN, "'%s' is not a folder", spec->cwd);
  return 0;
}

static int attributes_set(posix_spawnattr_t *attributes) {
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  int status = posix_spawnattr_setsigmask(attributes, &none);
  if (!status) status = posix_spawnattr_setsigdefault(attributes, &all);
  short flags = POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
  return status ? status : posix_spawnattr_setflags(attributes, flags);
}

static int actions_add(posix_spawn_file_actions_t *actions, const struct plan *plan,
                       const char *cwd) {
  int status = 0;
  for (size_t i = 0; !status && i < plan->count; i++)
    status = posix_spawn_file_actions_adddup2(actions, plan->fds[i], (int)i);
  if (!status) status = posix_spawn_file_actions_addclosefrom_np(actions, (int)plan->count);
  if (!status && cwd) status = posix_spawn_file_actions_addchdir_np(actions, cwd);
  return status;
}

static int process_start(const struct tg_child_spec *spec, const struct plan *plan,
                         const char *program, pid_t *pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  if (posix_spawn_file_actions_init(&actions) != 0) return ENOMEM;
  posix_spawnattr_init(&attributes);
  int status = attributes_set(&attributes);
  if (!status) status = actions_add(&actions, plan, spec->cwd);
  if (!status)
    status = posix_spawn(pid, program, &actions, &attributes, (char *const *)spec->argv,
                         (char *const *)spec->env);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return status;
}

static int start_failed(int errnum, const char *name, struct tg_error *err) {
  switch (errnum) {
  case ENOENT:
    return tg_error_set(err, TG_ESPAWN, "the interpreter that '%s' names is missing", name);
  case EACCES:
    return tg_error_set(err, TG_ESPAWN, "command '%s' may not be executed", name);
  case ENOEXEC:
    return tg_error_set(err, TG_ESPAWN, "'%s' is no program; a script needs a first line with #!",
                        name);
  case E2BIG:
    return tg_error_set(err, TG_ESPAWN, "the arguments and environment of '%s' are too long", name);
  case EAGAIN:
  case ENOMEM:
  case EMFILE:
  case ENFILE:
    return tg_error_errno(err, TG_EBUSY, errnum, "cannot start '%s' now", name);
  default:
    return tg_error_errno(err, TG_ESPAWN, errnum, "cannot start '%s'", name);
  }
}

int tg_spawn(const struct tg_child_spec *spec, bool has_output, struct tg_spawned *spawned,
             struct tg_error *err) {
  struct plan plan = {0};
  struct tg_buf program;
  tg_buf_init(&program, PATH_MAX);
  *spawned = (struct tg_spawned){.pid = -1, .out = {-1, -1}};
  int code = spec_check(spec, err);
  if (!code) code = program_find(spec, &program, err);
  if (code) goto done;
  if (program.is_failed) {
    code = tg_error_set(err, TG_ESPAWN, "the name of the command is too long");
    goto done;
  }
  if (plan_init(&plan, spec, has_output, spawned->out) != 0) {
    code = tg_error_errno(err, TG_EBUSY, errno, "cannot make descriptors for '%s'", spec->argv[0]);
    goto done;
  }
  int errnum = process_start(spec, &plan, program.data, &spawned->pid);
  if (errnum) code = start_failed(errnum, spec->argv[0], err);

done:
  if (code)
    for (size_t i = 0; i < 2; i++) fd_close(&spawned->out[i]);
  plan_deinit(&plan);
  tg_buf_deinit(&program);
  return code;
}
