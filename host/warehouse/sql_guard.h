// SPDX-License-Identifier: Apache-2.0
// What a script's statement may not do: end or start transactions by hand (they are requests, so
// that the host knows who owns the writer), reach other files, or change how the connection works.
#pragma once

#include "warehouse/sql.h"

/// Sets the connection's authorizer; a refusal leaves its reason in `guard_text`.
void tg_sql_guard_install(struct tg_sql *sql);
