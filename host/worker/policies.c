// SPDX-License-Identifier: Apache-2.0
#include "worker/policies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/map.h"
#include "base/must.h"
#include "worker/faults.h"
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
  char what[TG_NAME_BYTES_MAX + 16];
  const struct tg_version *bundle, *version;
  uint64_t run;
  uint32_t task, attempt;
  char text_hash[TG_HASH_TEXT_LEN + 1];
  tg_policies_answer *answer;
  void *self;
};

struct tg_policies {
  const struct tg_services *services;
  struct tg_asks *asks;
  struct tg_bundles *bundles;
  struct tg_map known;     // struct known by name
  struct tg_map decisions; // struct decision by handle
  uint64_t last_handle;
};

struct tg_policies *tg_policies_new(const struct tg_services *services, struct tg_asks *asks,
                                    struct tg_bundles *bundles) {
  struct tg_policies *policies = tg_must(calloc(1, sizeof *policies));
  policies->services = services;
  policies->asks = asks;
  policies->bundles = bundles;
  return policies;
}

static void decision_free(struct decision *decision) {
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
  decision->answer(decision->self, err, output, decision->version ? decision->version->hash : "");
  decision_free(decision);
}

// The answer is durable: now it may be told.

struct commit {
  struct tg_policies *policies;
  uint64_t handle;
};

static void committed(void *self, struct tg_batch *batch, const struct tg_error *err) {
  struct commit *commit = self;
  struct decision *decision = tg_map_get_number(&commit->policies->decisions, commit->handle);
  if (decision) decision_end(decision, err, err ? NULL : batch->records[0].decision.output);
  tg_batch_free(batch);
  free(commit);
}

static void answer_commit(struct decision *decision, const char *output, json_t *document) {
  struct tg_policies *policies = decision->policies;
  struct tg_batch *batch = tg_batch_new();
  struct commit *commit = malloc(sizeof *commit);
  if (!batch || !commit) abort();
  *commit = (struct commit){.policies = policies, .handle = decision->handle};
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
  tg_store_commit(policies->services->store, batch, committed, commit);
}

// Asking.

static void answered(void *self, const struct tg_error *err, struct tg_slice output) {
  struct decision *decision = self;
  struct tg_error failed;
  json_t *document = err ? NULL : json_loadb(output.data, output.len, 0, NULL);
  if (!err && !json_is_object(document)) {
    tg_error_set(&failed, TG_EINVALID, "policy %s answered with no table", decision->policy);
    err = &failed;
  }
  if (err)
    decision_end(decision, err, NULL);
  else
    answer_commit(decision, output.data, document);
  json_decref(document);
}

static void version_ask(struct decision *decision, const struct tg_version *version) {
  decision->version = version;
  tg_asks_put(decision->policies->asks, version, decision->what, decision->input, answered,
              decision);
}

// The version the run began with, if nothing better is known.
static const struct tg_version *version_of_run(struct decision *decision) {
  char key[256];
  snprintf(key, sizeof key, "policy:%.200s", decision->policy);
  for (size_t i = 0; decision->bundle && i < decision->bundle->count; i++) {
    const struct tg_source *source = &decision->bundle->sources[i];
    if (strcmp(source->key, key) == 0 && *source->path)
      return tg_bundles_adopt_policy(decision->policies->bundles, source);
  }
  return NULL;
}

static void last_good_ask(struct decision *decision, const struct tg_error *why) {
  struct known *known = tg_map_get(&decision->policies->known, decision->policy);
  bool is_known = known && known->version;
  const struct tg_version *version = is_known ? known->version : version_of_run(decision);
  if (!version) {
    decision_end(decision, why, NULL);
    return;
  }
  tg_log(TG_LOG_WARN, "policy %s: %s; %s", decision->policy, why->text,
         is_known ? "its last good version stays in force"
                  : "the version that the run began with is asked");
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
  char text[TG_ERROR_TEXT_MAX];
  if (faults) {
    tg_faults_say(faults, text, sizeof text);
    tg_error_set(&failed, TG_EINVALID, "it has faults: %s", text);
  }
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
  struct decision *decision = tg_must(calloc(1, sizeof *decision));
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
  snprintf(decision->what, sizeof decision->what, "policy %.*s", TG_NAME_BYTES_MAX,
           question->policy);
  if (!decision->policy || !decision->input ||
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
