// SPDX-License-Identifier: Apache-2.0
#include "worker/policies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/map.h"
#include "worker/sources.h"

// What is known of a policy: the text that was looked at last, and the version in force.
struct known {
  char text_hash[TG_HASH_TEXT_LEN + 1];
  const struct tg_version *version;
};

struct decision {
  struct tg_policies *policies;
  uint64_t handle;
  char *policy, *input;
  const struct tg_version *bundle, *version;
  uint64_t run;
  uint32_t task, attempt;
  char text_hash[TG_HASH_TEXT_LEN + 1];
  struct tg_process *process; // from the choice of a worker to its answer
  struct tg_timer *deadline;
  bool is_asked, is_overdue;
  tg_policies_answer *answer;
  void *self;
};

struct tg_policies {
  const struct tg_services *services;
  struct tg_pool *pool;
  struct tg_bundles *bundles;
  struct tg_map known;     // struct known by name
  struct tg_map decisions; // struct decision by handle
  uint64_t last_handle;
};

struct tg_policies *tg_policies_new(const struct tg_services *services, struct tg_pool *pool,
                                    struct tg_bundles *bundles) {
  struct tg_policies *policies = calloc(1, sizeof *policies);
  if (!policies) abort();
  policies->services = services;
  policies->pool = pool;
  policies->bundles = bundles;
  return policies;
}

static void decision_free(struct decision *decision) {
  tg_timer_free(decision->deadline);
  free(decision->policy);
  free(decision->input);
  free(decision);
}

void tg_policies_free(struct tg_policies *policies) {
  if (!policies) return;
  struct tg_error err;
  tg_error_set(&err, TG_ECANCELLED, "the host ends");
  size_t at = 0;
  const struct tg_map_slot *slot;
  while ((slot = tg_map_next(&policies->decisions, &at))) {
    struct decision *decision = slot->value;
    decision->answer(decision->self, &err, NULL, "");
    decision_free(decision);
  }
  for (at = 0; (slot = tg_map_next(&policies->known, &at));) free(slot->value);
  tg_map_deinit(&policies->decisions);
  tg_map_deinit(&policies->known);
  free(policies);
}

static void decision_end(struct decision *decision, const struct tg_error *err,
                         const char *output) {
  tg_map_remove_number(&decision->policies->decisions, decision->handle);
  if (decision->process) tg_process_add_load(decision->process, -1);
  decision->answer(decision->self, err, output, decision->version ? decision->version->hash : "");
  decision_free(decision);
}

// The answer is durable: now it may be told.

struct answered {
  struct tg_policies *policies;
  uint64_t handle;
};

static void committed(void *self, struct tg_batch *batch, const struct tg_error *err) {
  struct answered *answered = self;
  struct decision *decision = tg_map_get_number(&answered->policies->decisions, answered->handle);
  if (decision) decision_end(decision, err, err ? NULL : batch->records[0].decision.output);
  tg_batch_free(batch);
  free(answered);
}

static void answer_commit(struct decision *decision, const char *output, json_t *document) {
  struct tg_policies *policies = decision->policies;
  struct tg_batch *batch = tg_batch_new();
  struct answered *answered = malloc(sizeof *answered);
  if (!batch || !answered) abort();
  *answered = (struct answered){.policies = policies, .handle = decision->handle};
  json_t *action = json_object_get(document, "action");
  char *several = json_is_array(action) ? json_dumps(action, JSON_COMPACT) : NULL;
  struct tg_record record = {
      .kind = TG_RECORD_DECISION,
      .decision = {.run = decision->run,
                   .task = decision->task,
                   .attempt = decision->attempt,
                   .policy = decision->policy,
                   .version = decision->version->hash,
                   .input = decision->input,
                   .output = output,
                   .action = several ? several : json_string_value(action),
                   .reason = json_string_value(json_object_get(document, "reason")),
                   .decided_at = tg_clock_wall_ms(tg_loop_clock(policies->services->loop))}};
  if (tg_batch_add(batch, &record)) abort();
  free(several);
  tg_store_commit(policies->services->store, batch, committed, answered);
}

int tg_policies_decided(struct tg_policies *policies, struct tg_process *process,
                        struct tg_reader *body, struct tg_error *err) {
  uint64_t handle = tg_wire_get_u64(body);
  struct tg_error failed;
  tg_wire_get_error(body, &failed);
  struct tg_slice output = tg_wire_get_bytes(body);
  struct decision *decision = tg_map_get_number(&policies->decisions, handle);
  if (!tg_reader_is_done(body)) return tg_error_set(err, TG_EPROTOCOL, "its decision is malformed");
  if (!decision || decision->process != process) return TG_OK; // it was ended before
  if (!decision->is_asked)
    return tg_error_set(err, TG_EPROTOCOL, "it decides what it was not asked");
  tg_timer_stop(decision->deadline);
  tg_process_add_load(process, -1);
  decision->process = NULL;
  json_t *document = failed.code ? NULL : json_loadb(output.data, output.len, 0, NULL);
  if (!failed.code && !json_is_object(document))
    tg_error_set(&failed, TG_EINVALID, "policy %s answered with no table", decision->policy);
  if (failed.code)
    decision_end(decision, &failed, NULL);
  else
    answer_commit(decision, output.data, document);
  json_decref(document);
  return TG_OK;
}

// Asking.

static void overdue(void *self) {
  struct decision *decision = self;
  decision->is_overdue = true;
  tg_process_kill(decision->process, "a policy took longer than its budget");
}

static void version_ready(void *self, const struct tg_error *err) {
  struct decision *decision = self;
  if (err) {
    decision_end(decision, err, NULL);
    return;
  }
  struct tg_error failed;
  struct tg_buf *out = tg_process_begin(decision->process, TG_MESSAGE_DECIDE);
  tg_wire_put_u64(out, decision->handle);
  tg_wire_put_u64(out, decision->version->handle);
  tg_wire_put_bytes(out, decision->input, strlen(decision->input));
  if (tg_process_send(decision->process, &failed)) {
    decision_end(decision, &failed, NULL);
    return;
  }
  decision->is_asked = true;
  tg_timer_start(decision->deadline, TG_POLICY_MS + TG_WORKER_GRACE_MS);
}

static void version_ask(struct decision *decision, const struct tg_version *version) {
  struct tg_policies *policies = decision->policies;
  struct tg_error err;
  decision->version = version;
  if (tg_pool_pick(policies->pool, &decision->process, &err)) {
    decision->process = NULL;
    decision_end(decision, &err, NULL);
    return;
  }
  tg_process_add_load(decision->process, 1);
  tg_bundles_require(policies->bundles, version, decision->process, version_ready, decision);
}

// The version the run began with, if nothing better is known.
static const struct tg_version *version_of_run(struct decision *decision) {
  char key[256];
  snprintf(key, sizeof key, "policy:%.200s", decision->policy);
  for (size_t i = 0; decision->bundle && i < decision->bundle->count; i++) {
    const struct tg_source *source = &decision->bundle->sources[i];
    if (strcmp(source->key, key) != 0) continue;
    struct tg_source entry = *source;
    entry.key = "entry:";
    return tg_bundles_adopt(decision->policies->bundles, TG_BUNDLE_POLICY, source->path, &entry, 1);
  }
  return NULL;
}

static void last_good_ask(struct decision *decision, const struct tg_error *why) {
  struct known *known = tg_map_get(&decision->policies->known, decision->policy);
  const struct tg_version *version =
      known && known->version ? known->version : version_of_run(decision);
  if (!version) {
    decision_end(decision, why, NULL);
    return;
  }
  tg_log(TG_LOG_WARN, "policy %s: %s; its last good version stays in force", decision->policy,
         why->text);
  version_ask(decision, version);
}

static struct known *known_of(struct tg_policies *policies, const char *policy) {
  struct known *known = tg_map_get(&policies->known, policy);
  if (known) return known;
  known = calloc(1, sizeof *known);
  if (!known || tg_map_put(&policies->known, policy, known)) abort();
  return known;
}

static void built(void *self, const struct tg_version *version, const char *faults,
                  const struct tg_error *err) {
  struct decision *decision = self;
  struct known *known = known_of(decision->policies, decision->policy);
  if (!err) snprintf(known->text_hash, sizeof known->text_hash, "%s", decision->text_hash);
  if (version) {
    if (known->version && known->version != version)
      tg_bundles_drop(decision->policies->bundles, known->version);
    known->version = version;
    version_ask(decision, version);
    return;
  }
  struct tg_error failed;
  if (faults) tg_error_set(&failed, TG_EINVALID, "it has faults: %.900s", faults);
  last_good_ask(decision, faults ? &failed : err);
}

// Says whether the files of a version are still what they were: the policy may use modules.
static bool is_on_disk(const struct tg_policies *policies, const struct tg_version *version) {
  bool is_same = true;
  for (size_t i = 0; i < version->count && is_same; i++) {
    const struct tg_source *source = &version->sources[i];
    struct tg_buf text;
    tg_buf_init(&text, (size_t)TG_SOURCE_BYTES_MAX);
    is_same = !tg_sources_read(policies->services->root, source->path, &text, NULL) &&
              text.len == source->len && memcmp(tg_buf_text(&text), source->text, text.len) == 0;
    tg_buf_deinit(&text);
  }
  return is_same;
}

void tg_policies_ask(struct tg_policies *policies, const struct tg_question *question,
                     tg_policies_answer *answer, void *self) {
  struct decision *decision = calloc(1, sizeof *decision);
  if (!decision) abort();
  *decision = (struct decision){.policies = policies,
                                .handle = ++policies->last_handle,
                                .policy = strdup(question->policy),
                                .input = strdup(question->input),
                                .bundle = question->bundle,
                                .run = question->run,
                                .task = question->task,
                                .attempt = question->attempt,
                                .answer = answer,
                                .self = self};
  struct tg_error err;
  decision->deadline = tg_timer_new(policies->services->loop, overdue, decision, &err);
  if (!decision->policy || !decision->input || !decision->deadline ||
      tg_map_put_number(&policies->decisions, decision->handle, decision))
    abort();
  char path[4096];
  struct tg_buf text;
  tg_buf_init(&text, (size_t)TG_SOURCE_BYTES_MAX);
  int code =
      tg_sources_find(policies->services->root, "policy", question->policy, path, &text, &err);
  tg_hash_text(tg_buf_text(&text), text.len, decision->text_hash);
  tg_buf_deinit(&text);
  struct known *known = tg_map_get(&policies->known, question->policy);
  bool is_known = known && strcmp(known->text_hash, decision->text_hash) == 0;
  const struct tg_version *version = is_known ? known->version : NULL;
  if (!code && is_known && !version)
    code = tg_error_set(&err, TG_EINVALID, "it has faults, and has not changed since");
  if (code)
    last_good_ask(decision, &err);
  else if (version && is_on_disk(policies, version))
    version_ask(decision, version);
  else
    tg_bundles_build(policies->bundles, TG_BUNDLE_POLICY, path, built, decision);
}

void tg_policies_worker_gone(struct tg_policies *policies, struct tg_process *process,
                             const char *why) {
  bool found;
  do {
    found = false;
    size_t at = 0;
    const struct tg_map_slot *slot;
    while (!found && (slot = tg_map_next(&policies->decisions, &at))) {
      struct decision *decision = slot->value;
      if (decision->process != process) continue;
      found = true;
      decision->process = NULL;
      struct tg_error err;
      if (decision->is_overdue)
        tg_error_set(&err, TG_ETIMEOUT, "policy %s took longer than %d ms", decision->policy,
                     TG_POLICY_MS);
      else
        tg_error_set(&err, TG_ELOST, "the worker was lost (%s)", why);
      decision_end(decision, &err, NULL);
    }
  } while (found);
}
