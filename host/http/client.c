// SPDX-License-Identifier: Apache-2.0
// How curl and the loop talk: curl says which sockets it waits for and when it wants to be called
// (socket_changed, time_changed); the loop says what became ready (socket_ready, time_came); after
// each such call the messages of finished transfers are read (messages_read), and only there are
// calls ended.
#include "http/client.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "http/call.h"

enum { CONNECTIONS_KEPT = 64, CONNECTIONS_MAX = 512 };

struct socket_watch {
  struct tg_http *client;
  curl_socket_t fd;
  struct tg_poll *poll;
};

static void call_unlink(struct tg_http_call *call) {
  if (call->next) call->next->at = call->at;
  *call->at = call->next;
}

static void call_link(struct tg_http_call *call) {
  call->next = call->client->calls;
  if (call->next) call->next->at = &call->next;
  call->at = &call->client->calls;
  call->client->calls = call;
}

static void call_end(struct tg_http_call *call, const struct tg_error *err,
                     const struct tg_http_response *response) {
  call_unlink(call);
  call->done(call->self, err, response);
  tg_http_call_free(call);
}

static void call_finished(struct tg_http_call *call, CURLcode result) {
  struct tg_http_response response;
  struct tg_error err;
  bool goes_on;
  curl_multi_remove_handle(call->client->multi, call->easy);
  int code = tg_http_call_settle(call, result, &goes_on, &response, &err);
  if (!code && goes_on) {
    if (curl_multi_add_handle(call->client->multi, call->easy) == CURLM_OK) return;
    code = tg_error_set(&err, TG_ENOMEM, "out of memory");
  }
  call_end(call, code ? &err : NULL, code ? NULL : &response);
}

static void messages_read(struct tg_http *client) {
  CURLMsg *message;
  int left;
  while ((message = curl_multi_info_read(client->multi, &left))) {
    if (message->msg != CURLMSG_DONE) continue;
    char *call = NULL;
    CURLcode result = message->data.result;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
    call_finished((struct tg_http_call *)(void *)call, result);
  }
}

static void call_idled(void *self) {
  struct tg_http_call *call = self;
  struct tg_error err;
  if (!tg_http_call_is_idle(call, &err)) return;
  curl_multi_remove_handle(call->client->multi, call->easy);
  call_end(call, &err, NULL);
}

// Curl may take the watch away while it is being told.
static void socket_ready(void *self, int events, int errnum) {
  struct socket_watch *watch = self;
  struct tg_http *client = watch->client;
  int flags = (events & TG_POLL_READ ? CURL_CSELECT_IN : 0) |
              (events & TG_POLL_WRITE ? CURL_CSELECT_OUT : 0) | (errnum ? CURL_CSELECT_ERR : 0);
  int running;
  curl_multi_socket_action(client->multi, watch->fd, flags, &running);
  messages_read(client);
}

static void watch_free(struct socket_watch *watch) {
  tg_poll_free(watch->poll);
  free(watch);
}

static struct socket_watch *watch_new(struct tg_http *client, curl_socket_t fd) {
  struct socket_watch *watch = calloc(1, sizeof *watch);
  if (!watch) return NULL;
  *watch = (struct socket_watch){.client = client, .fd = fd};
  watch->poll = tg_poll_new(client->loop, fd, socket_ready, watch, NULL);
  if (watch->poll) return watch;
  free(watch);
  return NULL;
}

static int socket_changed(CURL *easy, curl_socket_t fd, int what, void *self, void *attached) {
  struct tg_http *client = self;
  struct socket_watch *watch = attached;
  (void)easy;
  if (what == CURL_POLL_REMOVE) {
    if (watch) watch_free(watch);
    return 0;
  }
  if (!watch) {
    watch = watch_new(client, fd);
    if (!watch) return -1;
    curl_multi_assign(client->multi, fd, watch);
  }
  tg_poll_start(watch->poll, (what & CURL_POLL_IN ? TG_POLL_READ : 0) |
                                 (what & CURL_POLL_OUT ? TG_POLL_WRITE : 0));
  return 0;
}

static void time_came(void *self) {
  struct tg_http *client = self;
  int running;
  curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
  messages_read(client);
}

static int time_changed(CURLM *multi, long ms, void *self) {
  struct tg_http *client = self;
  (void)multi;
  if (ms < 0)
    tg_timer_stop(client->timer);
  else
    tg_timer_start(client->timer, ms);
  return 0;
}

static void multi_set(struct tg_http *client) {
  int per_host = client->options.host_connections_max;
  CURLM *multi = client->multi;
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, socket_changed);
  curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, client);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, time_changed);
  curl_multi_setopt(multi, CURLMOPT_TIMERDATA, client);
  curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                    (long)(per_host > 0 ? per_host : TG_HTTP_HOST_CONNECTIONS_MAX));
  curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)CONNECTIONS_MAX);
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
}

static int options_copy(struct tg_http *client, const struct tg_http_options *options,
                        struct tg_error *err) {
  client->options = *options;
  client->options.denied = NULL; // read into the filter here
  client->options.ca_file = tg_arena_strdup(&client->arena, options->ca_file);
  client->options.proxy = tg_arena_strdup(&client->arena, options->proxy);
  if ((options->ca_file && !client->options.ca_file) || (options->proxy && !client->options.proxy))
    return tg_error_set(err, TG_ENOMEM, "out of memory");
  return tg_address_filter_init(&client->filter, options->denied, options->denies_private, err);
}

struct tg_http *tg_http_new(struct tg_loop *loop, const struct tg_http_options *options,
                            struct tg_error *err) {
  struct tg_http *client = calloc(1, sizeof *client);
  if (!client) {
    tg_error_set(err, TG_ENOMEM, "out of memory");
    return NULL;
  }
  client->loop = loop;
  tg_arena_init(&client->arena);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  if (options_copy(client, options, err) != 0) goto failed;
  client->timer = tg_timer_new(loop, time_came, client, err);
  if (!client->timer) goto failed;
  client->multi = curl_multi_init();
  if (!client->multi) {
    tg_error_set(err, TG_ENOMEM, "out of memory");
    goto failed;
  }
  multi_set(client);
  return client;

failed:
  tg_http_free(client);
  return NULL;
}

void tg_http_free(struct tg_http *client) {
  if (!client) return;
  while (client->calls) tg_http_cancel(client->calls);
  if (client->multi) curl_multi_cleanup(client->multi); // lets go of its sockets and our watches
  tg_timer_free(client->timer);
  tg_arena_deinit(&client->arena);
  curl_global_cleanup();
  free(client);
}

int tg_http_start(struct tg_http *client, const struct tg_http_request *request, tg_http_done *done,
                  void *self, struct tg_http_call **result, struct tg_error *err) {
  struct tg_http_call *call;
  int code = tg_http_call_new(client, request, call_idled, &call, err);
  if (code) return code;
  call->done = done;
  call->self = self;
  call_link(call);
  if (curl_multi_add_handle(client->multi, call->easy) != CURLM_OK) {
    call_unlink(call);
    tg_http_call_free(call);
    return tg_error_set(err, TG_ENOMEM, "out of memory");
  }
  *result = call;
  return 0;
}

void tg_http_cancel(struct tg_http_call *call) {
  curl_multi_remove_handle(call->client->multi, call->easy);
  call_unlink(call);
  tg_http_call_free(call);
}

const char *tg_http_secret(const struct tg_http *client, const char *name) {
  const struct tg_http_options *options = &client->options;
  return options->secret ? options->secret(options->secret_self, name) : NULL;
}
