// SPDX-License-Identifier: Apache-2.0
// A map that was expanded: which of its items may be tried, and when it is over.
//
//   an item:  not eligible -> eligible -> let in (ready, running, ...) -> ended
//
// An item is eligible at once, or when the item before it in a chain of maps has succeeded; if that
// one ended otherwise, this one is skipped. Eligible items are let in, in their order, as `limit`
// and `limit_per_key` allow, and none any more once too many have failed.
#pragma once

#include "base/buf.h"
#include "base/map.h"
#include "engine/live.h"

struct tg_live_key; // the items of one key

struct tg_live_map {
  uint32_t task, first, count; // the plan's task; the unit of item 0
  uint32_t running;            // let in and not ended
  uint32_t done, failed, cancelled;
  uint32_t told;         // of `done`, when those who watch were told last
  bool is_stopped;       // too many have failed
  json_t *values, *keys; // lists, or NULL
  uint32_t *eligible, head, tail;
  struct tg_map by_key;  // struct tg_live_key by text
  uint32_t *next_of_key; // the next waiting item of the same key
};

/// Expands a map as its durable record says, and lets the first items in.
///
/// Errors: TG_ENOMEM
int tg_live_map_expand(struct tg_live_run *live, const struct tg_map_items *record);
void tg_live_map_free(struct tg_live_map *map); // NULL is fine

/// Takes in, at the end of a recovery, what became of the items before those of a chain.
///
/// Errors: TG_ENOMEM
int tg_live_map_replayed(struct tg_live_run *live, uint32_t task);

/// Lets in what the limits allow, at the end of a recovery: what was tried before keeps its place.
int tg_live_map_admit(struct tg_live_run *live, uint32_t task);

/// Takes in that an item was tried, which in recovery is how one knows that it was let in.
int tg_live_map_tried(struct tg_live_run *live, uint32_t unit);

/// Takes in that an item has ended, and what follows for its map and the maps after it.
int tg_live_map_ended(struct tg_live_run *live, uint32_t unit, enum tg_task_state state);

/// Takes in that the end of a task that may be a map is durable: of one that was carried over
/// unfinished nothing is tried any more.
void tg_live_map_close(struct tg_live_run *live, uint32_t task);

/// Says whether nothing of an expanded map will run any more.
bool tg_live_map_is_over(const struct tg_live_run *live, uint32_t task);

/// Gives the state of a map that is over.
enum tg_task_state tg_live_map_state(const struct tg_live_run *live, uint32_t task);

/// Appends the items' outputs as a JSON list, null where there is none.
void tg_live_map_put_output(const struct tg_live_run *live, uint32_t task, struct tg_buf *out);

/// Appends what an item is, as JSON.
void tg_live_map_put_value(const struct tg_live_run *live, uint32_t unit, struct tg_buf *out);
