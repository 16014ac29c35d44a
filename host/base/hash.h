// SPDX-License-Identifier: Apache-2.0
// SHA-256, by which scripts, plans and bundles are named.
#pragma once

#include <stddef.h>

enum { TG_HASH_TEXT_LEN = 64 };

struct tg_hash {
  void *context; // EVP_MD_CTX
};

/// Starts a hash; add bytes any number of times, then take the hexadecimal digest once.
void tg_hash_init(struct tg_hash *hash);
void tg_hash_add(struct tg_hash *hash, const void *bytes, size_t len);

/// Adds a length and then the bytes, so that two fields cannot run into one another.
void tg_hash_add_field(struct tg_hash *hash, const void *bytes, size_t len);
void tg_hash_take(struct tg_hash *hash, char text[TG_HASH_TEXT_LEN + 1]);

/// Hashes one piece of memory.
void tg_hash_text(const void *bytes, size_t len, char text[TG_HASH_TEXT_LEN + 1]);
