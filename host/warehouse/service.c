// SPDX-License-Identifier: Apache-2.0
#include "warehouse/service.h"

#include "ipc/wire.h"
#include "warehouse/warehouse.h"

uint64_t tg_warehouse_service_call(struct tg_warehouse *warehouse, uint64_t session,
                                   int64_t deadline_ms, const void *body, size_t len,
                                   tg_warehouse_done *done, void *self) {
  struct tg_reader in = tg_reader_of(body, len);
  struct tg_warehouse_request request = {.session = session,
                                         .deadline_ms = deadline_ms,
                                         .body = body,
                                         .len = len,
                                         .may_read_only = tg_wire_get_u8(&in) == TG_SQL_QUERY,
                                         .done = done,
                                         .self = self};
  return tg_warehouse_submit(warehouse, &request);
}
