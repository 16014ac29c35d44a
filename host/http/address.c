// SPDX-License-Identifier: Apache-2.0
#include "http/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const denied_usually[] = {
    "169.254.0.0/16",    // link-local, with the metadata services of the clouds
    "fe80::/10",         // link-local
    "fd00:ec2::254/128", // a metadata service
    NULL,
};

static const char *const denied_private[] = {
    "0.0.0.0/8",      "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12",
    "192.168.0.0/16", "::/128",     "::1/128",       "fc00::/7",    NULL,
};

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};
static const uint8_t nat64_prefix[12] = {0x00, 0x64, 0xff, 0x9b};

static void bytes_from_v4(uint8_t bytes[16], const void *v4) {
  memcpy(bytes, mapped_prefix, sizeof mapped_prefix);
  memcpy(bytes + 12, v4, 4);
}

static void bytes_from_v6(uint8_t bytes[16], const void *v6) {
  memcpy(bytes, v6, 16);
  if (memcmp(bytes, nat64_prefix, sizeof nat64_prefix) == 0)
    memcpy(bytes, mapped_prefix, sizeof mapped_prefix);
}

// Reads an address of either kind. Gives the number of bits it has in its own notation, or 0.
static unsigned address_parse(const char *text, uint8_t bytes[16]) {
  uint8_t raw[16];
  if (inet_pton(AF_INET, text, raw) == 1) {
    bytes_from_v4(bytes, raw);
    return 32;
  }
  if (inet_pton(AF_INET6, text, raw) != 1) return 0;
  bytes_from_v6(bytes, raw);
  return 128;
}

static int range_parse(const char *text, struct tg_address_range *range, struct tg_error *err) {
  char address[TG_ADDRESS_TEXT_MAX];
  size_t len = strcspn(text, "/");
  char *end = NULL;
  unsigned long bits = text[len] ? strtoul(text + len + 1, &end, 10) : 0;
  bool ok = len < sizeof address && end && *end == 0 && end > text + len + 1;
  if (ok) {
    snprintf(address, sizeof address, "%.*s", (int)len, text);
    unsigned width = address_parse(address, range->bytes);
    ok = width && bits <= width;
    range->bits = (unsigned)bits + (128 - width);
  }
  if (ok) return 0;
  return tg_error_set(err, TG_EINVALID, "'%s' is no range of addresses, as \"10.0.0.0/8\" is one",
                      text);
}

static int ranges_add(struct tg_address_filter *filter, const char *const *texts,
                      struct tg_error *err) {
  for (; *texts; texts++) {
    if (filter->count == TG_ADDRESS_RANGES_MAX)
      return tg_error_set(err, TG_ELIMIT, "more than %d ranges of addresses",
                          TG_ADDRESS_RANGES_MAX);
    int code = range_parse(*texts, &filter->ranges[filter->count], err);
    if (code) return code;
    filter->count++;
  }
  return 0;
}

int tg_address_filter_init(struct tg_address_filter *filter, const char *const *denied,
                           bool denies_private, struct tg_error *err) {
  filter->count = 0;
  int code = ranges_add(filter, denied ? denied : denied_usually, err);
  return code || !denies_private ? code : ranges_add(filter, denied_private, err);
}

static bool range_has(const struct tg_address_range *range, const uint8_t bytes[16]) {
  unsigned whole = range->bits / 8, rest = range->bits % 8;
  if (memcmp(range->bytes, bytes, whole) != 0) return false;
  return rest == 0 || (range->bytes[whole] ^ bytes[whole]) >> (8 - rest) == 0;
}

static bool bytes_are_denied(const struct tg_address_filter *filter, const uint8_t bytes[16]) {
  for (size_t i = 0; i < filter->count; i++)
    if (range_has(&filter->ranges[i], bytes)) return true;
  return false;
}

bool tg_address_is_denied(const struct tg_address_filter *filter, const struct sockaddr *address,
                          char text[TG_ADDRESS_TEXT_MAX]) {
  uint8_t bytes[16];
  const void *raw;
  if (address->sa_family == AF_INET) {
    raw = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
    bytes_from_v4(bytes, raw);
  } else if (address->sa_family == AF_INET6) {
    raw = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    bytes_from_v6(bytes, raw);
  } else {
    if (text) snprintf(text, TG_ADDRESS_TEXT_MAX, "family %d", address->sa_family);
    return true;
  }
  if (text) inet_ntop(address->sa_family, raw, text, TG_ADDRESS_TEXT_MAX);
  return bytes_are_denied(filter, bytes);
}

bool tg_address_host_is_denied(const struct tg_address_filter *filter, const char *host) {
  char bare[TG_ADDRESS_TEXT_MAX];
  uint8_t bytes[16];
  size_t len = strlen(host);
  if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
    host++;
    len -= 2;
  }
  if (len >= sizeof bare) return false;
  snprintf(bare, sizeof bare, "%.*s", (int)len, host);
  return address_parse(bare, bytes) && bytes_are_denied(filter, bytes);
}
