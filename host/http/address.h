// SPDX-License-Identifier: Apache-2.0
// Which addresses the client may not talk to. Asked with the address a socket is about to connect
// to, so a name that resolves to a denied address is caught whatever it resolved to before.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/error.h"

enum { TG_ADDRESS_RANGES_MAX = 64, TG_ADDRESS_TEXT_MAX = 64 };

/// All ranges are kept as IPv6, IPv4 as ::ffff:a.b.c.d.
struct tg_address_range {
  uint8_t bytes[16];
  unsigned bits;
};

struct tg_address_filter {
  struct tg_address_range ranges[TG_ADDRESS_RANGES_MAX];
  size_t count;
};

/// Fills a filter: `denied` (NULL-terminated, NULL for link-local and metadata addresses) and, if
/// asked, loopback and private ones.
///
/// Errors: TG_EINVALID for a text that is no range, TG_ELIMIT for too many
/// Source: RFC 6890 (special-purpose registries), RFC 6598 (100.64.0.0/10)
int tg_address_filter_init(struct tg_address_filter *filter, const char *const *denied,
                           bool denies_private, struct tg_error *err);

/// Says whether an address is denied, and writes it as text if `text` is not NULL.
///
/// Source: RFC 4291 2.5.5.2 (IPv4-mapped), RFC 6052 (64:ff9b::/96), both judged as IPv4
bool tg_address_is_denied(const struct tg_address_filter *filter, const struct sockaddr *address,
                          char text[TG_ADDRESS_TEXT_MAX]);

/// The same for a host as it stands in a URL, if it is an address; a name is never denied.
bool tg_address_host_is_denied(const struct tg_address_filter *filter, const char *host);
