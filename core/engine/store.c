/* SPDX-License-Identifier: Apache-2.0 */
/* What every store's requests have in common, and the hash that chains audit records. */
#include "core/engine/store.h"

#include <string.h>

void pv_req_init(struct pv_req *req, enum pv_req_kind kind, void (*done)(struct pv_req *req),
                 void *user)
{
    memset(req, 0, sizeof(*req));
    req->kind = kind;
    req->done = done;
    req->user = user;
    pv_arena_init(&req->arena);
}

void pv_req_done(struct pv_req *req)
{
    pv_arena_done(&req->arena);
}

int pv_store_submit(struct pv_store *store, struct pv_req *req)
{
    return store->ops->submit(store, req);
}

/* Big-endian, so that the bytes do not depend on the machine. */
static struct pv_str number(uint64_t value, uint8_t out[8])
{
    for (int i = 0; i < 8; i++) {
        out[i] = (uint8_t)(value >> (56 - 8 * i));
    }
    return (struct pv_str){(const char *)out, 8};
}

struct pv_hash pv_audit_hash(const struct pv_audit_row *row)
{
    const struct pv_audit *a = &row->record;
    uint8_t writer[8];
    uint8_t n[8];
    uint8_t at[8];
    const struct pv_str parts[] = {
        {(const char *)row->previous.b, sizeof(row->previous.b)},
        number(row->writer, writer),
        number(row->n, n),
        number((uint64_t)row->at_ms, at),
        a->actor,
        a->what,
        a->source,
        a->detail,
        {(const char *)a->service.b, sizeof(a->service.b)},
        {(const char *)a->op.b, sizeof(a->op.b)},
        {(const char *)a->digest.b, sizeof(a->digest.b)},
    };
    return pv_sha256_parts(parts, sizeof(parts) / sizeof(parts[0]));
}
