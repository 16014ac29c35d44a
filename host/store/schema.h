// SPDX-License-Identifier: Apache-2.0
// The SQL files of schema/, in the order of their numbers, as the build embedded them.
#pragma once

/// The text of each migration; migration n brings a store from schema n - 1 to n.
extern const char *const tg_schema[];
extern const int tg_schema_count;
