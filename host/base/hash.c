// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>

void tg_hash_init(struct tg_hash *hash) {
  hash->context = EVP_MD_CTX_new();
  if (!hash->context || EVP_DigestInit_ex(hash->context, EVP_sha256(), NULL) != 1) abort();
}

void tg_hash_add(struct tg_hash *hash, const void *bytes, size_t len) {
  EVP_DigestUpdate(hash->context, bytes, len);
}

void tg_hash_add_field(struct tg_hash *hash, const void *bytes, size_t len) {
  uint64_t size = len;
  tg_hash_add(hash, &size, sizeof size);
  tg_hash_add(hash, bytes, len);
}

void tg_hash_take(struct tg_hash *hash, char text[TG_HASH_TEXT_LEN + 1]) {
  static const char digits[] = "0123456789abcdef";
  unsigned char digest[EVP_MAX_MD_SIZE];
  EVP_DigestFinal_ex(hash->context, digest, NULL);
  EVP_MD_CTX_free(hash->context);
  hash->context = NULL;
  for (int i = 0; i < TG_HASH_TEXT_LEN / 2; i++) {
    text[2 * i] = digits[digest[i] >> 4];
    text[2 * i + 1] = digits[digest[i] & 15];
  }
  text[TG_HASH_TEXT_LEN] = 0;
}

void tg_hash_text(const void *bytes, size_t len, char text[TG_HASH_TEXT_LEN + 1]) {
  struct tg_hash hash;
  tg_hash_init(&hash);
  tg_hash_add(&hash, bytes, len);
  tg_hash_take(&hash, text);
}
