// SPDX-License-Identifier: Apache-2.0
// What is a request that may leave the house.
#pragma once

#include "base/error.h"
#include "http/client.h"

/// Checks method, URL, headers and numbers.
///
/// Errors: TG_EINVALID, saying what is wrong with which part
int tg_http_request_check(const struct tg_http_request *request, struct tg_error *err);

/// Writes a URL for a person: without its query and fragment, where secrets tend to stand.
void tg_http_url_show(const char *url, char *text, size_t size);
