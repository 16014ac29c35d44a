// SPDX-License-Identifier: Apache-2.0
// A folder in memory that lives as long as the process, for targets that need files.
#pragma once

/// Gives its path. It is removed, with what is in it, when the process ends.
const char *fuzz_folder(void);
