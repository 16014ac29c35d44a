// SPDX-License-Identifier: Apache-2.0
// What is told of a resource, the same wherever it is told.
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "model/record.h"

enum { TG_RESOURCE_TEXT_MAX = TG_ERROR_TEXT_MAX + 256 };

/// Says whether the breaker of a resource is closed.
bool tg_resource_is_closed(const struct tg_resource *resource);

/// Says in one sentence how it stands with the breaker of a resource.
void tg_resource_say(const struct tg_resource *resource, char text[TG_RESOURCE_TEXT_MAX]);

/// Gives a resource as an object: {"name", "breaker", "opened_at", "retry_at", "reason"}.
///
/// Owns:   the caller releases the result; NULL when memory is out
json_t *tg_resource_json(const struct tg_resource *resource);
