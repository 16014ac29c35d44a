// SPDX-License-Identifier: Apache-2.0
// Which program this is.
#pragma once

enum { TG_PROGRAM_ID_MAX = 64 };

/// Gives the build id that the linker wrote into this executable, in hexadecimal: another program,
/// another id. "" when it wrote none.
///
/// Source: the note NT_GNU_BUILD_ID (ld --build-id)
const char *tg_program_id(void);
