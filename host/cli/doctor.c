// SPDX-License-Identifier: Apache-2.0
// doctor: whether this machine and this project are fit to run, and what to do where they are not.
#include <curl/curl.h>
#include <dirent.h>
#include <errno.h>
#include <linux/landlock.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "cli/exit.h"
#include "cli/host.h"
#include "cli/load.h"
#include "cli/output.h"
#include "cli/project.h"
#include "cli/resource.h"
#include "cli/text.h"
#include "cli/verbs.h"
#include "loop/loop.h"
#include "script/worker.h"
#include "store/history.h"

enum {
  PATH_BYTES_MAX = 4096,
  TEXT_BYTES_MAX = 2048,
  NAME_COLUMNS = 10,
};

#define SPACE_FAIL_BYTES (64 * TG_MIB)
#define SPACE_WARN_BYTES TG_GIB

enum status { STATUS_OK, STATUS_WARN, STATUS_FAIL };

static const char *const status_words[] = {"ok", "warn", "fail"};

struct doctor {
  struct tg_project project;
  json_t *checks; // list
  enum status worst;
  bool is_damaged; // the store
};

// Notes what was found; `advice` is what to do, NULL where nothing is.
__attribute__((format(printf, 5, 6))) static void note(struct doctor *doctor, enum status status,
                                                       const char *name, const char *advice,
                                                       const char *format, ...) {
  char found[TEXT_BYTES_MAX];
  va_list args;
  va_start(args, format);
  vsnprintf(found, sizeof found, format, args);
  va_end(args);
  json_t *text = json_string(found);
  json_array_append_new(doctor->checks, json_pack("{s:s, s:s, s:o, s:s?}", "name", name, "status",
                                                  status_words[status], "found",
                                                  text ? text : json_null(), "advice", advice));
  if (status > doctor->worst) doctor->worst = status;
}

// Lua before 5.4.6 miscompiles some bitwise constants in functions with over 256 constants.
static void lua_check(struct doctor *doctor) {
  const char *version = tg_script_lua_version();
  int release = 0;
  bool is_known = sscanf(version, "Lua 5.4.%d", &release) == 1;
  bool is_old = is_known && release < 6;
  note(doctor, is_old ? STATUS_WARN : STATUS_OK, "lua",
       is_old
           ? "keep functions that use bitwise operators under 256 constants, or use Lua 5.4.6 or "
             "newer"
           : NULL,
       "%s", version);
}

static void libraries_check(struct doctor *doctor) {
  note(doctor, STATUS_OK, "tidegate", NULL, "%s", TG_VERSION);
  lua_check(doctor);
  note(doctor, STATUS_OK, "sqlite", NULL, "%s", sqlite3_libversion());
  note(doctor, STATUS_OK, "libcurl", NULL, "%s", curl_version_info(CURLVERSION_NOW)->version);
  note(doctor, STATUS_OK, "libuv", NULL, "%s", tg_loop_version());
}

static void seccomp_check(struct doctor *doctor) {
  uint32_t action = SECCOMP_RET_KILL_PROCESS;
  bool has_it = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
  note(doctor, has_it ? STATUS_OK : STATUS_WARN, "seccomp",
       has_it ? NULL : "use a kernel with CONFIG_SECCOMP_FILTER: scripts run without this fence",
       has_it ? "the kernel filters system calls" : "the kernel does not filter system calls");
}

static void landlock_check(struct doctor *doctor) {
  long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version > 0)
    note(doctor, STATUS_OK, "landlock", NULL, "version %ld", version);
  else
    note(doctor, STATUS_WARN, "landlock",
         "a kernel from 5.13 with lsm=landlock adds this fence; seccomp holds without it",
         "not there: %s", strerror(errno));
}

// Finds any pipeline of the project, to have something to start a worker with.
static bool pipeline_find(const struct tg_project *project, char path[PATH_BYTES_MAX]) {
  char folder[PATH_BYTES_MAX];
  snprintf(folder, sizeof folder, "%.4000s/pipelines", project->root);
  DIR *entries = opendir(folder);
  bool found = false;
  const struct dirent *entry;
  while (entries && !found && (entry = readdir(entries))) {
    size_t len = strlen(entry->d_name);
    found = len > 4 && entry->d_name[0] != '.' && strcmp(entry->d_name + len - 4, ".lua") == 0;
    if (found) snprintf(path, PATH_BYTES_MAX, "pipelines/%s", entry->d_name);
  }
  if (entries) closedir(entries);
  return found;
}

// Starts a worker and notes how well it could seal itself in.
static int worker_start(struct doctor *doctor, const char *path, struct tg_error *err) {
  struct tg_host *host = NULL;
  const struct tg_version *version;
  char *faults = NULL;
  int code = tg_host_open(&doctor->project, false, &host, err);
  if (!code) code = tg_host_build(host, TG_BUNDLE_PIPELINE, path, &version, &faults, err);
  if (!code) {
    const char *report = tg_scripts_seal(tg_host_scripts(host));
    bool is_complete = strstr(report, "complete") != NULL;
    note(doctor, is_complete ? STATUS_OK : STATUS_WARN, "sandbox",
         is_complete ? NULL : "the other fences hold; run where the kernel gives all of them", "%s",
         *report ? report : "the worker said nothing");
  }
  free(faults);
  tg_host_close(host);
  return code;
}

static void worker_check(struct doctor *doctor) {
  char path[PATH_BYTES_MAX];
  struct tg_error err;
  if (!pipeline_find(&doctor->project, path))
    note(doctor, STATUS_OK, "sandbox", NULL, "not tried: there is no pipeline to load");
  else if (worker_start(doctor, path, &err))
    note(doctor, STATUS_FAIL, "sandbox", "scripts cannot run until this is mended", "%s", err.text);
}

// Locks and shared memory, which the store needs, do not work across machines.
static bool is_network(const char *folder) {
  struct statfs info;
  if (statfs(folder, &info) != 0) return false;
  switch ((unsigned long)info.f_type) {
  case NFS_SUPER_MAGIC:
  case SMB_SUPER_MAGIC:
  case 0xFF534D42: // CIFS
  case 0xFE534D42: // SMB2
  case AFS_SUPER_MAGIC:
  case CEPH_SUPER_MAGIC:
    return true;
  default:
    return false;
  }
}

// Gives the folder itself, or the nearest one above it that is there.
static void nearest_folder(const char *path, char folder[PATH_BYTES_MAX]) {
  snprintf(folder, PATH_BYTES_MAX, "%s", path);
  while (access(folder, F_OK) != 0 && strrchr(folder, '/') > folder) *strrchr(folder, '/') = 0;
  if (access(folder, F_OK) != 0) snprintf(folder, PATH_BYTES_MAX, "/");
}

static void data_check(struct doctor *doctor) {
  const char *data = doctor->project.data;
  char folder[PATH_BYTES_MAX];
  nearest_folder(data, folder);
  if (access(folder, W_OK | X_OK) != 0)
    note(doctor, STATUS_FAIL, "data", "make it writable, or name another folder with --data",
         "%s: %s", folder, strerror(errno));
  else if (is_network(folder))
    note(doctor, STATUS_FAIL, "data", "name a folder on a local disk with --data",
         "%s is on a network file system", data);
  else
    note(doctor, STATUS_OK, "data", NULL, "%s", data);
}

static void space_check(struct doctor *doctor) {
  char folder[PATH_BYTES_MAX];
  struct statvfs info;
  nearest_folder(doctor->project.data, folder);
  if (statvfs(folder, &info) != 0) return; // data_check has said why
  int64_t free_bytes = (int64_t)info.f_bavail * (int64_t)info.f_frsize;
  enum status status = free_bytes < SPACE_FAIL_BYTES   ? STATUS_FAIL
                       : free_bytes < SPACE_WARN_BYTES ? STATUS_WARN
                                                       : STATUS_OK;
  note(doctor, status, "space", status ? "make room on the disk of the data folder" : NULL,
       "%.1f GiB free", (double)free_bytes / (double)TG_GIB);
}

static void store_check(struct doctor *doctor) {
  struct tg_history *history = NULL;
  struct tg_error err;
  int code = tg_history_open(doctor->project.data, &history, &err);
  if (code == TG_ENOT_FOUND) {
    note(doctor, STATUS_OK, "store", NULL, "none yet: nothing ran");
    return;
  }
  uint64_t runs = 0;
  if (!code) code = tg_history_check(history, &err);
  if (!code) code = tg_history_last_number(history, &runs, &err);
  if (!code)
    note(doctor, STATUS_OK, "store", NULL, "intact, %llu runs", (unsigned long long)runs);
  else
    note(doctor, STATUS_FAIL, "store",
         code == TG_EDAMAGED ? "keep a copy of the data folder, then bring back a backup or begin "
                               "with another --data"
                             : "see the message",
         "%s", err.text);
  doctor->is_damaged = code == TG_EDAMAGED;
  tg_history_close(history);
}

// A breaker that is not closed holds tasks up, in this host and in the next.
static void resources_check(struct doctor *doctor) {
  struct tg_history *history = NULL;
  struct tg_arena arena;
  struct tg_resource *resources;
  size_t count = 0, open = 0;
  tg_arena_init(&arena);
  int code = tg_history_open(doctor->project.data, &history, NULL);
  if (!code) code = tg_history_resources(history, &arena, &resources, &count, NULL);
  for (size_t i = 0; i < count && !code; i++) {
    char text[TG_RESOURCE_TEXT_MAX];
    if (tg_resource_is_closed(&resources[i])) continue;
    tg_resource_say(&resources[i], text);
    note(doctor, STATUS_WARN, "resource",
         "its tasks wait; it is tried again by itself when that time has come", "%s", text);
    open++;
  }
  if (count && !open)
    note(doctor, STATUS_OK, "resource", NULL, "%zu known, every breaker is closed", count);
  tg_history_close(history);
  tg_arena_deinit(&arena);
}

static void zone_check(struct doctor *doctor) {
  const char *zone = getenv("TZ");
  char path[PATH_BYTES_MAX] = "";
  bool has_zones = access("/usr/share/zoneinfo/Europe/Berlin", R_OK) == 0;
  if (!zone && readlink("/etc/localtime", path, sizeof path - 1) < 0) path[0] = 0;
  const char *name = strstr(path, "zoneinfo/");
  note(doctor, has_zones ? STATUS_OK : STATUS_WARN, "time zone",
       has_zones ? NULL : "install tzdata: schedules with a time zone need it", "%s%s",
       zone && *zone ? zone
       : name        ? name + strlen("zoneinfo/")
                     : "UTC",
       has_zones ? "" : "; the zone database is missing");
}

static void check_put(struct tg_buf *out, const json_t *check, bool has_color) {
  static const enum tg_style styles[] = {TG_STYLE_GOOD, TG_STYLE_WARN, TG_STYLE_BAD};
  const char *name = "", *status = "", *found = "", *advice = NULL;
  json_unpack((json_t *)check, "{s:s, s:s, s:s}", "name", &name, "status", &status, "found",
              &found);
  advice = json_string_value(json_object_get(check, "advice"));
  size_t at = 0;
  while (at < STATUS_FAIL && strcmp(status, status_words[at]) != 0) at++;
  tg_text_put_styled(out, status, styles[at], has_color);
  tg_text_put_spaces(out, 6 - strlen(status));
  tg_buf_puts(out, name);
  tg_text_put_spaces(out, strlen(name) < NAME_COLUMNS ? NAME_COLUMNS - strlen(name) + 1 : 1);
  tg_text_put_clean(out, found, strlen(found));
  tg_buf_putc(out, '\n');
  if (!advice) return;
  tg_text_put_spaces(out, 6 + NAME_COLUMNS + 1);
  tg_buf_putf(out, "-> %s\n", advice);
}

static int checks_print(const struct doctor *doctor, const struct tg_output *output) {
  if (output->format != TG_FORMAT_TEXT)
    return tg_output_list(output, "checks", json_incref(doctor->checks));
  struct tg_buf text;
  tg_buf_init(&text, SIZE_MAX / 2);
  for (size_t i = 0; i < json_array_size(doctor->checks); i++)
    check_put(&text, json_array_get(doctor->checks, i), output->has_color);
  int code = tg_output_text(&text);
  tg_buf_deinit(&text);
  return code;
}

static int doctor_run(const struct tg_args *args) {
  static void (*const checks[])(struct doctor *) = {
      libraries_check, seccomp_check, landlock_check,  worker_check, data_check,
      space_check,     store_check,   resources_check, zone_check,
  };
  struct tg_output output = tg_output_of(args, STDOUT_FILENO);
  struct doctor doctor = {.checks = json_array()};
  int exit_code = tg_project_of(&doctor.project, args);
  if (!exit_code) {
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) checks[i](&doctor);
    exit_code = checks_print(&doctor, &output);
    tg_project_deinit(&doctor.project);
  }
  json_decref(doctor.checks);
  if (exit_code) return exit_code;
  if (doctor.is_damaged) return TG_EXIT_INTERNAL;
  return doctor.worst == STATUS_FAIL ? TG_EXIT_USAGE : TG_EXIT_SUCCESS;
}

const struct tg_verb tg_verb_doctor = {
    .name = "doctor",
    .arguments = "",
    .summary = "say whether this machine and project are fit to run",
    .prose =
        "Each line is ok, warn or fail, and says what to do. The exit code is 2 when one failed,\n"
        "70 when the store is damaged.",
    .examples =
        (const struct tg_example[]){
            {"doctor", "for a person"},
            {"doctor -o jsonl", "for a program, a check a line"},
            {NULL, NULL},
        },
    .run = doctor_run,
};
