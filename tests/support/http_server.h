// SPDX-License-Identifier: Apache-2.0
// Starts tests_http_server for a test, and makes a certificate for it.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct http_server {
  pid_t pid;
  int input; // closing it ends the server
  int port;
  char folder[64];      // of the certificate; "" without TLS
  char certificate[96]; // PEM, for the name localhost only; trusted when given as the CA file
};

/// Starts the server; false when that fails.
bool http_server_start(struct http_server *server, bool has_tls);

/// Ends it and removes its folder.
void http_server_stop(struct http_server *server);

/// Formats a URL of the server into a buffer of its own; the last 8 stay valid.
const char *http_server_url(const struct http_server *server, const char *path);
