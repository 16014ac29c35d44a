// SPDX-License-Identifier: Apache-2.0
#include "script/slab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { BLOCKS = 20000 };

// A block and what was written into it.
struct kept {
  unsigned char *at;
  size_t bytes;
  unsigned char mark;
};

static uint32_t random_number(uint64_t *seed) {
  *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(*seed >> 33);
}

static void kept_check(const struct kept *kept) {
  for (size_t i = 0; i < kept->bytes; i++) assert_int_equal(kept->at[i], kept->mark);
}

static void blocks_do_not_overlap_and_are_aligned(void **state) {
  (void)state;
  static struct kept kept[BLOCKS];
  struct tg_slab slab = {0};
  uint64_t seed = 7;
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < BLOCKS; i++) {
      struct kept *k = &kept[i];
      if (k->at && random_number(&seed) % 3 == 0) continue;
      if (k->at) {
        kept_check(k);
        tg_slab_give(&slab, k->at, k->bytes);
      }
      k->bytes = 1 + random_number(&seed) % TG_SLAB_BLOCK_MAX;
      k->mark = (unsigned char)random_number(&seed);
      k->at = tg_slab_take(&slab, k->bytes);
      assert_non_null(k->at);
      assert_int_equal((uintptr_t)k->at % TG_SLAB_GRAIN, 0);
      memset(k->at, k->mark, k->bytes);
    }
  }
  for (int i = 0; i < BLOCKS; i++) kept_check(&kept[i]);
  tg_slab_deinit(&slab);
  assert_null(slab.chunks);
}

static void what_was_given_back_is_taken_again(void **state) {
  (void)state;
  struct tg_slab slab = {0};
  void *block = tg_slab_take(&slab, 24);
  tg_slab_give(&slab, block, 24);
  assert_ptr_not_equal(tg_slab_take(&slab, 25), block);
  assert_ptr_equal(tg_slab_take(&slab, 17), block); // of the same class
  tg_slab_deinit(&slab);
}

static void sizes_are_told_apart(void **state) {
  (void)state;
  assert_false(tg_slab_fits(0));
  assert_false(tg_slab_fits(TG_SLAB_BLOCK_MAX + 1u));
  assert_true(tg_slab_fits(1));
  assert_true(tg_slab_fits(TG_SLAB_BLOCK_MAX));
  assert_true(tg_slab_is_same(17, 24));
  assert_false(tg_slab_is_same(24, 25));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(blocks_do_not_overlap_and_are_aligned),
      cmocka_unit_test(what_was_given_back_is_taken_again),
      cmocka_unit_test(sizes_are_told_apart),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
