// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// Source: FIPS 180-2 appendix B, and the digest of nothing
static void gives_the_known_digests(void **state) {
  (void)state;
  char text[TG_HASH_TEXT_LEN + 1];
  tg_hash_text("", 0, text);
  assert_string_equal(text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  tg_hash_text("abc", 3, text);
  assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  tg_hash_text("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, text);
  assert_string_equal(text, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void a_million_letters_in_pieces(void **state) {
  (void)state;
  char piece[1000], text[TG_HASH_TEXT_LEN + 1];
  struct tg_hash hash;
  memset(piece, 'a', sizeof piece);
  tg_hash_init(&hash);
  for (int i = 0; i < 1000; i++) tg_hash_add(&hash, piece, sizeof piece);
  tg_hash_take(&hash, text);
  assert_string_equal(text, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void fields_hash(const char *a, const char *b, char text[TG_HASH_TEXT_LEN + 1]) {
  struct tg_hash hash;
  tg_hash_init(&hash);
  tg_hash_add_field(&hash, a, strlen(a));
  tg_hash_add_field(&hash, b, strlen(b));
  tg_hash_take(&hash, text);
}

static void fields_do_not_run_into_one_another(void **state) {
  (void)state;
  char one[TG_HASH_TEXT_LEN + 1], other[TG_HASH_TEXT_LEN + 1];
  fields_hash("ab", "c", one);
  fields_hash("a", "bc", other);
  assert_string_not_equal(one, other);
  fields_hash("", "abc", other);
  assert_string_not_equal(one, other);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gives_the_known_digests),
      cmocka_unit_test(a_million_letters_in_pieces),
      cmocka_unit_test(fields_do_not_run_into_one_another),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
