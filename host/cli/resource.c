// SPDX-License-Identifier: Apache-2.0
#include "cli/resource.h"

#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "cli/view.h"
#include "retry/breaker.h"

bool tg_resource_is_closed(const struct tg_resource *resource) {
  return strcmp(resource->phase, tg_breaker_phase_word(TG_BREAKER_CLOSED)) == 0;
}

void tg_resource_say(const struct tg_resource *resource, char text[TG_RESOURCE_TEXT_MAX]) {
  char since[TG_TIME_TEXT_LEN + 1], until[TG_TIME_TEXT_LEN + 1];
  const char *reason = resource->reason ? resource->reason : "not known";
  tg_time_format(resource->opened_at, since);
  tg_time_format(resource->retry_at, until);
  if (tg_resource_is_closed(resource))
    snprintf(text, TG_RESOURCE_TEXT_MAX, "resource %s: its breaker is closed", resource->name);
  else if (resource->retry_at)
    snprintf(text, TG_RESOURCE_TEXT_MAX,
             "resource %s: its breaker is open until %s, since %s; last failure: %s",
             resource->name, until, since, reason);
  else
    snprintf(text, TG_RESOURCE_TEXT_MAX,
             "resource %s: its breaker is half open, a probe is out or may go, since %s; last "
             "failure: %s",
             resource->name, since, reason);
}

json_t *tg_resource_json(const struct tg_resource *resource) {
  return json_pack("{s:o, s:s, s:o, s:o, s:o}", "name", tg_view_text_json(resource->name),
                   "breaker", resource->phase, "opened_at", tg_view_time_json(resource->opened_at),
                   "retry_at", tg_view_time_json(resource->retry_at), "reason",
                   tg_view_text_json(resource->reason));
}
