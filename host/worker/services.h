// SPDX-License-Identifier: Apache-2.0
// What the runner works with: the parts of the host that attempts may ask for, made and owned by
// whoever wires the host (cli).
#pragma once

#include "engine/conductor.h"
#include "files/files.h"
#include "http/client.h"
#include "loop/child.h"
#include "loop/loop.h"
#include "loop/serial.h"
#include "store/store.h"
#include "warehouse/warehouse.h"
#include "worker/bundles.h"

/// Where the host finds secrets: gives the value at a place (model/params.h), valid until the next
/// call, or NULL with the reason.
struct tg_secret_source {
  const char *(*find)(void *self, const char *place, struct tg_error *err);
  void *self;
};

struct tg_services {
  struct tg_loop *loop;
  struct tg_children *children;
  struct tg_serial *disk;         // where files of scripts and logs are read and written
  struct tg_store *store;         // NULL in a host that only checks pipelines
  struct tg_conductor *conductor; // NULL as well then
  struct tg_http *http;
  struct tg_warehouse *warehouse;
  const struct tg_files *files;
  struct tg_secret_source secrets;
  const char *root;     // the project's folder
  const char *data;     // the data folder
  uint32_t workers_max; // script workers
  struct tg_bundle_limits bundle;
  struct tg_pools pools; // of the project
};
