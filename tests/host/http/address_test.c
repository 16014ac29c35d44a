// SPDX-License-Identifier: Apache-2.0
#include "http/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

static bool is_denied(const struct tg_address_filter *filter, const char *text) {
  struct sockaddr_in v4 = {.sin_family = AF_INET};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
  char shown[TG_ADDRESS_TEXT_MAX];
  bool denied;
  if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
    denied = tg_address_is_denied(filter, (struct sockaddr *)&v4, shown);
  } else {
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    denied = tg_address_is_denied(filter, (struct sockaddr *)&v6, shown);
  }
  assert_string_equal(shown, text);
  return denied;
}

static void denies_metadata_and_link_local_addresses_and_no_others(void **state) {
  (void)state;
  struct tg_address_filter filter;
  assert_int_equal(tg_address_filter_init(&filter, NULL, false, NULL), 0);
  assert_true(is_denied(&filter, "169.254.169.254"));
  assert_true(is_denied(&filter, "169.254.0.0"));
  assert_true(is_denied(&filter, "169.254.255.255"));
  assert_true(is_denied(&filter, "fe80::1"));
  assert_true(is_denied(&filter, "febf::1"));
  assert_true(is_denied(&filter, "fd00:ec2::254"));
  assert_false(is_denied(&filter, "169.253.255.255"));
  assert_false(is_denied(&filter, "169.255.0.0"));
  assert_false(is_denied(&filter, "fec0::1"));
  assert_false(is_denied(&filter, "127.0.0.1"));
  assert_false(is_denied(&filter, "10.1.2.3"));
  assert_false(is_denied(&filter, "::1"));
}

static void sees_through_ipv6_that_carries_ipv4(void **state) {
  (void)state;
  struct tg_address_filter filter;
  assert_int_equal(tg_address_filter_init(&filter, NULL, false, NULL), 0);
  assert_true(is_denied(&filter, "::ffff:169.254.169.254"));
  assert_true(is_denied(&filter, "64:ff9b::a9fe:a9fe"));
  assert_false(is_denied(&filter, "64:ff9b::808:808"));
}

static void denies_private_addresses_on_request(void **state) {
  (void)state;
  static const char *const private[] = {"10.1.2.3",  "172.31.0.1", "192.168.1.1",
                                        "127.0.0.1", "100.64.0.1", "0.0.0.0",
                                        "::1",       "::",         "fd12::1"};
  struct tg_address_filter filter;
  assert_int_equal(tg_address_filter_init(&filter, NULL, true, NULL), 0);
  for (size_t i = 0; i < sizeof private / sizeof *private; i++)
    assert_true(is_denied(&filter, private[i]));
  assert_false(is_denied(&filter, "172.32.0.1"));
  assert_false(is_denied(&filter, "8.8.8.8"));
  assert_false(is_denied(&filter, "2001:4860:4860::8888"));
}

static void takes_ranges_of_the_users_own(void **state) {
  (void)state;
  const char *const denied[] = {"8.8.8.0/29", "2001:db8::/33", NULL};
  struct tg_address_filter filter;
  assert_int_equal(tg_address_filter_init(&filter, denied, false, NULL), 0);
  assert_true(is_denied(&filter, "8.8.8.7"));
  assert_false(is_denied(&filter, "8.8.8.8"));
  assert_true(is_denied(&filter, "2001:db8:7fff::1"));
  assert_false(is_denied(&filter, "2001:db8:8000::1"));
  assert_false(is_denied(&filter, "169.254.169.254"));
}

static void refuses_what_is_no_range(void **state) {
  (void)state;
  static const char *const texts[] = {"10.0.0.0",    "10.0.0.0/33", "10.0.0/8", "::/129",
                                      "10.0.0.0/x",  "10.0.0.0/",   "",         "/8",
                                      "10.0.0.0/-1", "host/8"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    const char *const denied[] = {texts[i], NULL};
    struct tg_address_filter filter;
    struct tg_error err;
    assert_int_equal(tg_address_filter_init(&filter, denied, false, &err), TG_EINVALID);
    assert_non_null(strstr(err.text, "is no range"));
  }
}

static void judges_a_host_of_a_url_only_if_it_is_an_address(void **state) {
  (void)state;
  struct tg_address_filter filter;
  assert_int_equal(tg_address_filter_init(&filter, NULL, false, NULL), 0);
  assert_true(tg_address_host_is_denied(&filter, "169.254.169.254"));
  assert_true(tg_address_host_is_denied(&filter, "[fe80::1]"));
  assert_false(tg_address_host_is_denied(&filter, "metadata.example"));
  assert_false(tg_address_host_is_denied(&filter, "[]"));
  assert_false(tg_address_host_is_denied(&filter, ""));
}

static void denies_families_it_does_not_know(void **state) {
  (void)state;
  struct tg_address_filter filter;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  assert_int_equal(tg_address_filter_init(&filter, NULL, false, NULL), 0);
  assert_true(tg_address_is_denied(&filter, (struct sockaddr *)&address, NULL));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(denies_metadata_and_link_local_addresses_and_no_others),
      cmocka_unit_test(sees_through_ipv6_that_carries_ipv4),
      cmocka_unit_test(denies_private_addresses_on_request),
      cmocka_unit_test(takes_ranges_of_the_users_own),
      cmocka_unit_test(refuses_what_is_no_range),
      cmocka_unit_test(judges_a_host_of_a_url_only_if_it_is_an_address),
      cmocka_unit_test(denies_families_it_does_not_know),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
