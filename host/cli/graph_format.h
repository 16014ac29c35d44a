// SPDX-License-Identifier: Apache-2.0
// The graph of a plan in the formats of `tidegate graph`.
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "cli/output.h"
#include "engine/plan.h"

/// Appends the tasks for a person: each below and to the right of the last task it waits for.
///
/// Errors: TG_ENOMEM
int tg_graph_format_text(const struct tg_plan *plan, const struct tg_output *output,
                         struct tg_buf *out, struct tg_error *err);

/// Appends it in the language of Graphviz, or of Mermaid.
void tg_graph_format_dot(const struct tg_plan *plan, struct tg_buf *out);
void tg_graph_format_mermaid(const struct tg_plan *plan, struct tg_buf *out);

/// Gives {"pipeline", "levels", "nodes": [{"name", "word", "level", "when", "after": [names],
/// "to"?: [names]}], "edges": [{"from", "to"}]}.
///
/// Owns:   the caller releases the result; NULL when memory is out
json_t *tg_graph_format_json(const struct tg_plan *plan);
