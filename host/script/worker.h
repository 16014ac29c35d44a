// SPDX-License-Identifier: Apache-2.0
// The script worker: a process that holds Lua states and runs what the host sends it (message.h).
// It owns nothing that matters and can be killed at any instant.
//
// One thread: frames are handled between turns, turns are given between frames.
#pragma once

/// Seals the process (seal.h), tells the host so in a LOG frame of attempt 0 ("seal: complete", or
/// what is missing and why), and works until the host's end of the channel closes.
///
/// Shape:  descriptor of the channel -> exit code: 0, or 70 when the host sent nonsense
int tg_script_worker_main(int fd);

/// The same without the seal, for tests under tools that a sealed process cannot bear.
int tg_script_worker_serve(int fd);

/// Gives the release of the Lua library that runs: "Lua 5.4.4".
const char *tg_script_lua_version(void);
