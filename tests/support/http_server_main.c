// SPDX-License-Identifier: Apache-2.0
// An HTTP server that does what a test asks for in the path:
//
//   tests_http_server [CERTIFICATE KEY]      with TLS if these PEM files are given
//
// It listens on a free port of 127.0.0.1, prints the port as a line on stdout, and ends when its
// stdin does.
//
//   /echo              the request, as it came: request line, headers, empty line, body
//   /status/N          an empty response of status N; ?retry_after=TEXT adds the header
//   /redirect?to=URL   a redirect; ?status=N (302)
//   /chain/N           N redirects, then "end"
//   /loop              a redirect to itself
//   /headers           headers twice, empty, in mixed case
//   /flood             more than 256 KiB of headers
//   /big/N             N bytes
//   /gzip/N            N zero bytes, compressed
//   /broken_gzip       what says it is compressed and is not
//   /slow_headers      nothing, for a minute
//   /slow_body         a few bytes, then nothing for a minute
//   /early             the end of the connection amid the body
//   /reset             the end of the connection instead of a response
// A request in absolute form, as a proxy gets it, is served likewise, with the header X-Proxied.
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STALL_SECONDS = 60, FLOOD_HEADERS = 400, MEMORY_PER_CONNECTION = 4 << 20 };

struct exchange {
  char *target; // as on the request line
  char *body;
  size_t len;
};

static void *target_seen(void *self, const char *uri, struct MHD_Connection *connection) {
  (void)self;
  (void)connection;
  struct exchange *exchange = calloc(1, sizeof *exchange);
  if (exchange) exchange->target = strdup(uri);
  return exchange;
}

static void exchange_over(void *self, struct MHD_Connection *connection, void **state,
                          enum MHD_RequestTerminationCode why) {
  (void)self;
  (void)connection;
  (void)why;
  struct exchange *exchange = *state;
  if (!exchange) return;
  free(exchange->target);
  free(exchange->body);
  free(exchange);
}

static struct MHD_Response *text_response(const char *text) {
  return MHD_create_response_from_buffer(strlen(text), (void *)(size_t)text, MHD_RESPMEM_MUST_COPY);
}

static enum MHD_Result send_and_forget(struct MHD_Connection *connection, unsigned status,
                                       struct MHD_Response *response) {
  if (!response) return MHD_NO;
  enum MHD_Result result = MHD_queue_response(connection, status, response);
  MHD_destroy_response(response);
  return result;
}

static const char *query(struct MHD_Connection *connection, const char *name) {
  return MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);
}

static enum MHD_Result header_echo(void *self, enum MHD_ValueKind kind, const char *name,
                                   const char *value) {
  (void)kind;
  fprintf(self, "%s: %s\n", name, value);
  return MHD_YES;
}

static struct MHD_Response *echo(struct MHD_Connection *connection, const char *method,
                                 const struct exchange *exchange) {
  char *text = NULL;
  size_t len = 0;
  FILE *stream = open_memstream(&text, &len);
  fprintf(stream, "%s %s\n", method, exchange->target);
  MHD_get_connection_values(connection, MHD_HEADER_KIND, header_echo, stream);
  fputc('\n', stream);
  if (exchange->len) fwrite(exchange->body, 1, exchange->len, stream);
  fclose(stream);
  return MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
}

static enum MHD_Result redirect(struct MHD_Connection *connection, const char *to) {
  const char *status = query(connection, "status");
  struct MHD_Response *response = text_response("moved");
  MHD_add_response_header(response, "Location", to);
  return send_and_forget(connection, status ? (unsigned)strtoul(status, NULL, 10) : 302, response);
}

static enum MHD_Result chain(struct MHD_Connection *connection, long left) {
  char to[64];
  if (left <= 0) return send_and_forget(connection, 200, text_response("end"));
  snprintf(to, sizeof to, "../chain/%ld", left - 1);
  return redirect(connection, to);
}

static enum MHD_Result status_only(struct MHD_Connection *connection, const char *number) {
  struct MHD_Response *response = text_response("");
  const char *retry_after = query(connection, "retry_after");
  if (retry_after) MHD_add_response_header(response, "Retry-After", retry_after);
  return send_and_forget(connection, (unsigned)strtoul(number, NULL, 10), response);
}

static struct MHD_Response *odd_headers(void) {
  struct MHD_Response *response = text_response("");
  MHD_add_response_header(response, "Set-Cookie", "a=1");
  MHD_add_response_header(response, "X-Mixed-CASE", "Kept As It Is");
  MHD_add_response_header(response, "Set-Cookie", "b=2");
  return response;
}

static struct MHD_Response *flood(void) {
  struct MHD_Response *response = text_response("");
  char name[32], value[1001];
  memset(value, 'x', sizeof value - 1);
  value[sizeof value - 1] = 0;
  for (int i = 0; i < FLOOD_HEADERS; i++) {
    snprintf(name, sizeof name, "X-Flood-%d", i);
    MHD_add_response_header(response, name, value);
  }
  return response;
}

static ssize_t fill(void *self, uint64_t at, char *bytes, size_t max) {
  (void)self;
  (void)at;
  memset(bytes, 'x', max);
  return (ssize_t)max;
}

static struct MHD_Response *gzip(const char *number) {
  char command[96];
  snprintf(command, sizeof command, "head -c %lu /dev/zero | gzip -c", strtoul(number, NULL, 10));
  FILE *pipe = popen(command, "r");
  if (!pipe) return NULL;
  char *bytes = NULL, piece[4096];
  size_t len = 0, got;
  FILE *stream = open_memstream(&bytes, &len);
  while ((got = fread(piece, 1, sizeof piece, pipe)) > 0) fwrite(piece, 1, got, stream);
  fclose(stream);
  pclose(pipe);
  struct MHD_Response *response =
      MHD_create_response_from_buffer(len, bytes, MHD_RESPMEM_MUST_FREE);
  MHD_add_response_header(response, "Content-Encoding", "gzip");
  return response;
}

static struct MHD_Response *broken_gzip(void) {
  struct MHD_Response *response = text_response("this is not compressed");
  MHD_add_response_header(response, "Content-Encoding", "gzip");
  return response;
}

static ssize_t stall_after_five(void *self, uint64_t at, char *bytes, size_t max) {
  (void)self;
  (void)max;
  if (at > 0) {
    sleep(STALL_SECONDS);
    return MHD_CONTENT_READER_END_WITH_ERROR;
  }
  memcpy(bytes, "hello", 5);
  return 5;
}

static ssize_t break_after_five(void *self, uint64_t at, char *bytes, size_t max) {
  (void)self;
  (void)max;
  if (at > 0) return MHD_CONTENT_READER_END_WITH_ERROR;
  memcpy(bytes, "hello", 5);
  return 5;
}

static struct MHD_Response *streamed(uint64_t size, MHD_ContentReaderCallback reader) {
  return MHD_create_response_from_callback(size, 64 << 10, reader, NULL, NULL);
}

// Gives what follows `prefix` in the path, or NULL.
static const char *after(const char *path, const char *prefix) {
  size_t len = strlen(prefix);
  return strncmp(path, prefix, len) == 0 ? path + len : NULL;
}

static enum MHD_Result answer(struct MHD_Connection *connection, const char *path,
                              const char *method, const struct exchange *exchange) {
  const char *rest;
  if (strcmp(path, "/echo") == 0)
    return send_and_forget(connection, 200, echo(connection, method, exchange));
  if ((rest = after(path, "/status/"))) return status_only(connection, rest);
  if ((rest = query(connection, "to"))) return redirect(connection, rest);
  if ((rest = after(path, "/chain/"))) return chain(connection, strtol(rest, NULL, 10));
  if (strcmp(path, "/loop") == 0) return redirect(connection, "/loop");
  if (strcmp(path, "/headers") == 0) return send_and_forget(connection, 200, odd_headers());
  if (strcmp(path, "/flood") == 0) return send_and_forget(connection, 200, flood());
  if ((rest = after(path, "/big/")))
    return send_and_forget(connection, 200, streamed(strtoull(rest, NULL, 10), fill));
  if ((rest = after(path, "/gzip/"))) return send_and_forget(connection, 200, gzip(rest));
  if (strcmp(path, "/broken_gzip") == 0) return send_and_forget(connection, 200, broken_gzip());
  if (strcmp(path, "/slow_body") == 0)
    return send_and_forget(connection, 200, streamed(1000, stall_after_five));
  if (strcmp(path, "/early") == 0)
    return send_and_forget(connection, 200, streamed(1000, break_after_five));
  if (strcmp(path, "/slow_headers") == 0) sleep(STALL_SECONDS);
  if (strcmp(path, "/slow_headers") == 0 || strcmp(path, "/reset") == 0) return MHD_NO;
  return send_and_forget(connection, 404, text_response("no such route"));
}

static enum MHD_Result handle(void *self, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *bytes,
                              size_t *len, void **state) {
  (void)self;
  (void)version;
  struct exchange *exchange = *state;
  if (!exchange) return MHD_NO;
  if (!exchange->body) { // the first call: headers only
    exchange->body = calloc(1, 1);
    return MHD_YES;
  }
  if (*len) {
    char *grown = realloc(exchange->body, exchange->len + *len);
    if (!grown) return MHD_NO;
    memcpy(grown + exchange->len, bytes, *len);
    exchange->body = grown;
    exchange->len += *len;
    *len = 0;
    return MHD_YES;
  }
  const char *host = after(url, "http://");
  const char *path = host ? strchr(host, '/') : url;
  return answer(connection, path ? path : "/", method, exchange);
}

static char *file_text(const char *path) {
  FILE *file = fopen(path, "r");
  if (!file) return NULL;
  char *text = calloc(1, 64 << 10);
  if (text) text[fread(text, 1, (64 << 10) - 1, file)] = 0;
  fclose(file);
  return text;
}

int main(int argc, char **argv) {
  char *certificate = argc > 2 ? file_text(argv[1]) : NULL;
  char *key = argc > 2 ? file_text(argv[2]) : NULL;
  if (argc > 2 && (!certificate || !key)) return 2;
  unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
                   (certificate ? MHD_USE_TLS : 0);
  struct sockaddr_in address = {.sin_family = AF_INET};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  struct MHD_OptionItem tls[] = {{MHD_OPTION_HTTPS_MEM_CERT, 0, certificate},
                                 {MHD_OPTION_HTTPS_MEM_KEY, 0, key},
                                 {MHD_OPTION_END, 0, NULL}};
  struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
  struct MHD_Daemon *daemon = MHD_start_daemon(
      flags, 0, NULL, NULL, handle, NULL, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address,
      MHD_OPTION_URI_LOG_CALLBACK, target_seen, NULL, MHD_OPTION_NOTIFY_COMPLETED, exchange_over,
      NULL, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_PER_CONNECTION, MHD_OPTION_ARRAY,
      certificate ? tls : none, MHD_OPTION_END);
  if (!daemon) return 1;
  const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
  printf("%d\n", info->port);
  fflush(stdout);
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) continue;
  _exit(0); // threads that stall on request are not waited for
}
