// SPDX-License-Identifier: Apache-2.0
#include "fault/host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WATCHDOG_MS = 60000, AWAIT_MS = 10000, LOOK_MS = 1, PATH_BYTES = 4200, WORDS_MAX = 16 };

extern char **environ;

void host_fail(const char *format, ...) {
  va_list args;
  va_start(args, format);
  vfprintf(stderr, format, args);
  va_end(args);
  fputc('\n', stderr);
  fflush(NULL);
  _exit(1);
}

int64_t host_now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void host_pause_ms(long ms) {
  struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
  while (nanosleep(&pause, &pause) != 0 && errno == EINTR) continue;
}

long host_setting(const char *name, long value) {
  const char *text = getenv(name);
  return text && *text ? strtol(text, NULL, 10) : value;
}

uint64_t host_seed_wanted(void) {
  return (uint64_t)host_setting("TIDEGATE_FAULT_SEED", 20261120);
}

static uint64_t random_state = 1;

void host_seed(uint64_t seed) {
  random_state = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
  for (int i = 0; i < 8; i++) host_random(2); // seeds that are near each other
}

unsigned host_random(unsigned limit) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return limit ? (unsigned)(random_state >> 33) % limit : 0;
}

// --- Projects ---

static void path_put(const struct host_project *project, const char *name, char path[PATH_BYTES]) {
  snprintf(path, PATH_BYTES, "%s/%s", project->dir, name);
}

static void text_put(const struct host_project *project, const char *name, const char *text) {
  char path[PATH_BYTES];
  path_put(project, name, path);
  FILE *file = fopen(path, "w");
  if (!file || fputs(text, file) < 0 || fclose(file) != 0) host_fail("cannot write %s", path);
}

static void folder_make(const struct host_project *project, const char *name) {
  char path[PATH_BYTES];
  path_put(project, name, path);
  if (mkdir(path, 0755) != 0 && errno != EEXIST) host_fail("cannot make %s", path);
}

void host_file_put(const struct host_project *project, const char *name) {
  text_put(project, name, "\n");
}

void host_file_remove(const struct host_project *project, const char *name) {
  char path[PATH_BYTES];
  path_put(project, name, path);
  unlink(path);
}

bool host_file_is(const struct host_project *project, const char *name) {
  char path[PATH_BYTES];
  path_put(project, name, path);
  return access(path, F_OK) == 0;
}

void host_file_await(const struct host_project *project, const char *name) {
  int64_t until = host_now_ms() + AWAIT_MS;
  while (!host_file_is(project, name)) {
    if (host_now_ms() > until) host_fail("%s did not come", name);
    host_pause_ms(LOOK_MS);
  }
}

static bool pipeline_copy(const struct host_project *project, const char *from, const char *to) {
  char path[PATH_BYTES], text[8192];
  snprintf(path, sizeof path, "tests/fault/pipelines/%s", from);
  FILE *file = fopen(path, "r");
  if (!file) return false;
  text[fread(text, 1, sizeof text - 1, file)] = 0;
  fclose(file);
  text_put(project, to, text);
  return true;
}

// <pipeline>_child.lua is the pipeline "child", <pipeline>_policy_again.lua the policy "again".
static void parts_copy(const struct host_project *project, const char *pipeline) {
  static const char mark[] = "policy_";
  char to[PATH_BYTES];
  size_t len = strlen(pipeline);
  DIR *folder = opendir("tests/fault/pipelines");
  const struct dirent *entry;
  while (folder && (entry = readdir(folder))) {
    const char *name = entry->d_name;
    if (strncmp(name, pipeline, len) != 0 || name[len] != '_') continue;
    bool is_policy = strncmp(name + len + 1, mark, sizeof mark - 1) == 0;
    snprintf(to, sizeof to, "pipelines/%s%s", is_policy ? "policies/" : "",
             name + len + 1 + (is_policy ? sizeof mark - 1 : 0));
    pipeline_copy(project, name, to);
  }
  if (folder) closedir(folder);
}

// What a pipeline needs of the project's settings is <pipeline>.yaml.
static void settings_put(const struct host_project *project, const char *pipeline) {
  char path[PATH_BYTES], text[1024] = "files:\n  - { path: files, write: true }\n";
  snprintf(path, sizeof path, "tests/fault/pipelines/%s.yaml", pipeline);
  FILE *file = fopen(path, "r");
  size_t len = strlen(text);
  if (file) {
    text[len + fread(text + len, 1, sizeof text - 1 - len, file)] = 0;
    fclose(file);
  }
  text_put(project, "tidegate.yaml", text);
}

static void build_find(const char *name, char path[4096]) {
  const char *build = getenv("TIDEGATE_BUILD");
  char relative[4000];
  snprintf(relative, sizeof relative, "%.3900s/%s", build && *build ? build : "build", name);
  if (!realpath(relative, path)) host_fail("there is no %s", relative);
}

// A file system in memory is the same to a killed process as a disk is, and syncs in no time.
static void dir_make(struct host_project *project) {
  static const char *const places[] = {"/dev/shm", "/tmp"};
  for (size_t i = 0; i < 2; i++) {
    snprintf(project->dir, sizeof project->dir, "%s/tidegate-fault-XXXXXX", places[i]);
    if (mkdtemp(project->dir)) return;
  }
  host_fail("cannot make a folder in /tmp");
}

void host_project_make(struct host_project *project, const char *pipeline) {
  char file[128];
  build_find("tidegate", project->binary);
  build_find("tests/fault/crashpoint.so", project->library);
  dir_make(project);
  folder_make(project, "files");
  folder_make(project, "files/notes");
  folder_make(project, "copy");
  folder_make(project, "pipelines");
  folder_make(project, "pipelines/policies");
  folder_make(project, "lua");
  settings_put(project, pipeline);
  snprintf(file, sizeof file, "%s.lua", pipeline);
  if (!pipeline_copy(project, "notes.lua", "lua/notes.lua") ||
      !pipeline_copy(project, file, "pipelines/p.lua"))
    host_fail("there is no pipeline %s", pipeline);
  parts_copy(project, pipeline);
}

static void tree_remove(const char *path) {
  char command[PATH_BYTES + 16];
  snprintf(command, sizeof command, "rm -rf '%s'", path);
  if (system(command) != 0) host_fail("cannot remove %s", path);
}

void host_project_remove(const struct host_project *project) {
  tree_remove(project->dir);
}

void host_project_empty(const struct host_project *project) {
  char path[PATH_BYTES];
  path_put(project, ".tidegate", path);
  tree_remove(path);
}

// --- Hosts ---

static void death_set(const struct host_project *project, const struct host_death *death) {
  char text[32], data[128];
  snprintf(data, sizeof data, "%s/.tidegate", project->dir);
  snprintf(text, sizeof text, "%ld", death->point);
  setenv("LD_PRELOAD", project->library, 1);
  setenv("TIDEGATE_CRASHPOINT", text, 1);
  setenv("TIDEGATE_CRASHPOINT_FOLDER", data, 1);
  snprintf(text, sizeof text, "%llu", (unsigned long long)death->cut);
  setenv("TIDEGATE_CRASHPOINT_CUT", text, 1);
  if (death->lies) setenv("TIDEGATE_CRASHPOINT_LIES", "1", 1);
}

static void death_unset(void) {
  unsetenv("LD_PRELOAD");
  unsetenv("TIDEGATE_CRASHPOINT");
  unsetenv("TIDEGATE_CRASHPOINT_FOLDER");
  unsetenv("TIDEGATE_CRASHPOINT_CUT");
  unsetenv("TIDEGATE_CRASHPOINT_LIES");
}

pid_t host_start(const struct host_project *project, const char *const *words,
                 const struct host_death *death) {
  char log[PATH_BYTES];
  char *argv[WORDS_MAX] = {(char *)(uintptr_t)project->binary, "--project",
                           (char *)(uintptr_t)project->dir, "-q"};
  size_t count = 4;
  while (*words && count < WORDS_MAX - 1) argv[count++] = (char *)(uintptr_t)*words++;
  posix_spawn_file_actions_t actions;
  path_put(project, "stderr", log);
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log, O_WRONLY | O_CREAT | O_TRUNC,
                                   0644);
  setenv("FAULT_BINARY", project->binary, 1); // for commands that ask for it
  if (death && death->point) death_set(project, death);
  pid_t pid;
  if (posix_spawn(&pid, project->binary, &actions, NULL, argv, environ) != 0)
    host_fail("cannot start %s", project->binary);
  death_unset();
  posix_spawn_file_actions_destroy(&actions);
  return pid;
}

void host_stderr_show(const struct host_project *project) {
  char path[PATH_BYTES], text[2000];
  path_put(project, "stderr", path);
  FILE *file = fopen(path, "r");
  if (!file) return;
  text[fread(text, 1, sizeof text - 1, file)] = 0;
  fclose(file);
  if (*text) fprintf(stderr, "the host said: %s", text);
}

int host_wait(const struct host_project *project, pid_t pid) {
  int status;
  int64_t until = host_now_ms() + WATCHDOG_MS;
  while (waitpid(pid, &status, WNOHANG) == 0) {
    if (host_now_ms() > until) {
      kill(pid, SIGKILL);
      waitpid(pid, &status, 0);
      host_stderr_show(project);
      host_fail("the host did not end");
    }
    host_pause_ms(LOOK_MS);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool host_has_ended(pid_t pid) {
  siginfo_t ended = {0};
  return waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid;
}

bool host_orphans_are_left(int64_t ms) {
  int64_t until = host_now_ms() + ms;
  for (;;) {
    pid_t pid = waitpid(-1, NULL, WNOHANG);
    if (pid < 0) return false;
    if (pid > 0) continue;
    if (host_now_ms() > until) return true;
    host_pause_ms(LOOK_MS);
  }
}

void host_orphans_kill(void) {
  char path[64], text[4096];
  snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
  do {
    FILE *file = fopen(path, "r");
    if (!file) host_fail("this kernel does not tell who our children are");
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    char *end;
    for (char *at = text; *at; at = end) {
      pid_t pid = (pid_t)strtol(at, &end, 10);
      if (end == at) break;
      kill(pid, SIGKILL);
    }
  } while (host_orphans_are_left(LOOK_MS));
}

static bool is_worker_of(pid_t pid, pid_t host) {
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  FILE *file = fopen(path, "r");
  if (!file) return false;
  text[fread(text, 1, sizeof text - 1, file)] = 0;
  fclose(file);
  const char *end = strrchr(text, ')'); // the name before it may hold anything
  int parent = 0;
  if (!end || sscanf(end, ") %*c %d", &parent) != 1 || parent != host) return false;
  snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
  file = fopen(path, "r");
  if (!file) return false;
  size_t len = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[len] = 0;
  size_t first = strlen(text) + 1;
  return first < len && strcmp(text + first, "script-worker") == 0;
}

size_t host_workers(pid_t host, pid_t *workers, size_t max) {
  DIR *folder = opendir("/proc");
  if (!folder) host_fail("there is no /proc");
  size_t count = 0;
  const struct dirent *entry;
  while (count < max && (entry = readdir(folder))) {
    pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
    if (pid > 0 && is_worker_of(pid, host)) workers[count++] = pid;
  }
  closedir(folder);
  return count;
}
