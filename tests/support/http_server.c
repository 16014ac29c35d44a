// SPDX-License-Identifier: Apache-2.0
#include "support/http_server.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static bool certificate_make(struct http_server *server, char *key, size_t key_size) {
  char command[512];
  snprintf(server->folder, sizeof server->folder, "/tmp/tidegate-tls-XXXXXX");
  if (!mkdtemp(server->folder)) return false;
  snprintf(server->certificate, sizeof server->certificate, "%s/cert.pem", server->folder);
  snprintf(key, key_size, "%s/key.pem", server->folder);
  snprintf(command, sizeof command,
           "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
           "-keyout %s -out %s -subj /CN=localhost -addext subjectAltName=DNS:localhost "
           ">/dev/null 2>&1",
           key, server->certificate);
  return system(command) == 0;
}

static bool program_start(struct http_server *server, char *const *argv) {
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0) return false;
  if (pipe2(out, O_CLOEXEC) != 0) return false;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  int status = posix_spawn(&server->pid, argv[0], &actions, NULL, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  server->input = in[1];
  FILE *lines = fdopen(out[0], "r");
  bool ok = status == 0 && lines && fscanf(lines, "%d", &server->port) == 1;
  if (lines) fclose(lines);
  return ok;
}

bool http_server_start(struct http_server *server, bool has_tls) {
  char key[96] = "", program[] = TESTS_HTTP_SERVER;
  *server = (struct http_server){.pid = -1, .input = -1};
  if (has_tls && !certificate_make(server, key, sizeof key)) return false;
  char *argv[] = {program, has_tls ? server->certificate : NULL, has_tls ? key : NULL, NULL};
  return program_start(server, argv);
}

void http_server_stop(struct http_server *server) {
  char path[128];
  if (server->input >= 0) close(server->input);
  if (server->pid > 0) waitpid(server->pid, NULL, 0);
  if (!server->folder[0]) return;
  unlink(server->certificate);
  snprintf(path, sizeof path, "%s/key.pem", server->folder);
  unlink(path);
  rmdir(server->folder);
}

const char *http_server_url(const struct http_server *server, const char *path) {
  static char texts[8][512];
  static unsigned next;
  char *text = texts[next++ % 8];
  snprintf(text, sizeof texts[0], "%s%d%s",
           server->folder[0] ? "https://localhost:" : "http://127.0.0.1:", server->port, path);
  return text;
}
