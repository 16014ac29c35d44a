// SPDX-License-Identifier: Apache-2.0
// Resources: what tasks of all pipelines share outside (`resource = "databricks"`), by name. Each
// has one circuit breaker (retry/breaker.h) and one budget of retries (retry/budget.h) for the
// whole host.
//
//   ask      before an attempt starts; refused, its task waits and takes no slot meanwhile
//   report   when it has ended. Success, transient and throttled failures count, a timeout among
//            them. An attempt that was lost with its worker, was cancelled, or failed in a way
//            that trying again cannot mend says nothing about the resource
//   spend    before a retry is granted; every first try pays in
//
// A state changes when something is decided, and its record is for the host that comes after: none
// of the facts that a run is made of hangs on it.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/map.h"
#include "model/record.h"
#include "retry/breaker.h"
#include "retry/budget.h"

/// What the project says of a resource.
struct tg_resource_rules {
  const char *name;
  bool has_breaker, has_budget;
  struct tg_breaker_policy breaker;
  struct tg_budget_policy budget;
};

struct tg_resource_state {
  char *name;
  struct tg_resource_rules rules; // its name is that of the state
  struct tg_breaker breaker;
  struct tg_budget budget;
  int64_t opened_at; // while the breaker is not closed
  char *reason;      // the failure that opened it, or NULL
  int64_t timer_at;  // wall instant of the timer that is set for it, 0 for none
  bool is_changed;   // since it was recorded
  bool is_turned;    // its breaker has another phase than was told
};

struct tg_resources {
  struct tg_map states; // struct tg_resource_state by name
  struct tg_map rules;  // struct tg_resource_rules by name
  size_t changed;       // how many states are
};

/// A state as a record; it points into the state and into its own texts.
struct tg_resource_record {
  struct tg_resource resource;
  char breaker[TG_BREAKER_TEXT_MAX], budget[TG_BUDGET_TEXT_MAX];
};

/// Says whether a text can be the name of a resource: 1 to 128 bytes without spaces and controls.
bool tg_resource_name_is_valid(const char *name);

/// Fills in what holds for a resource of which the project says nothing.
void tg_resource_rules_init(struct tg_resource_rules *rules);

void tg_resources_init(struct tg_resources *resources);
void tg_resources_deinit(struct tg_resources *resources);

/// Takes in what the project says of a resource; it may be said anew.
///
/// Errors: TG_ENOMEM
int tg_resources_rule(struct tg_resources *resources, const struct tg_resource_rules *rules);

/// Takes in what an earlier host left. Probes went with their host. A record that cannot be read,
/// another version's too, leaves the resource as new.
///
/// Errors: TG_ENOMEM
int tg_resources_restore(struct tg_resources *resources, const struct tg_resource *record,
                         int64_t now_wall_ms);

/// Gives the state of a resource, made when it is asked for first; NULL when memory is out.
struct tg_resource_state *tg_resources_get(struct tg_resources *resources, const char *name,
                                           int64_t now_wall_ms);

/// Asks whether an attempt may start.
struct tg_breaker_answer tg_resource_ask(struct tg_resources *resources,
                                         struct tg_resource_state *state, int64_t now_wall_ms);

/// Tells how an attempt ended that was allowed to start.
///
/// Errors: TG_ENOMEM
int tg_resource_report(struct tg_resources *resources, struct tg_resource_state *state,
                       int64_t now_wall_ms, uint64_t ticket, const struct tg_error *err);

/// Pays a first try into the budget; takes a retry out of it, or says that there may be none now.
void tg_resource_deposit(struct tg_resource_state *state, int64_t now_wall_ms);
bool tg_resource_spend(struct tg_resources *resources, struct tg_resource_state *state,
                       int64_t now_wall_ms);

/// Gives a state as it is kept.
void tg_resource_put(const struct tg_resource_state *state, struct tg_resource_record *record);
