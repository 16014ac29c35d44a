// SPDX-License-Identifier: Apache-2.0
// What the runner works with: the parts of the host that attempts may ask for, made and owned by
// whoever wires the host (cli).
#pragma once

#include "engine/conductor.h"
#include "files/files.h"
#include "http/client.h"
#include "loop/child.h"
#include "loop/loop.h"
#include "store/store.h"
#include "warehouse/warehouse.h"

struct tg_services {
  struct tg_loop *loop;
  struct tg_children *children;
  struct tg_store *store;         // NULL in a host that only checks pipelines
  struct tg_conductor *conductor; // NULL as well then
  struct tg_http *http;
  struct tg_warehouse *warehouse;
  const struct tg_files *files;
  const char *root;     // the project's folder
  const char *data;     // the data folder
  uint32_t workers_max; // script workers
};
