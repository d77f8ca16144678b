/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/audit/verify: walks every record and proves that the chains of hashes are whole. */
#include "core/api/internal.h"

#include <stdio.h>
#include <string.h>

#define WRITERS_MAX 64

struct chain {
    uint32_t writer;
    uint64_t n;
    struct pv_hash hash;
};

struct walk {
    uint64_t after;
    uint64_t records;
    size_t chains;
    struct chain chain[WRITERS_MAX];
};

static struct chain *chain_of(struct walk *walk, uint32_t writer)
{
    for (size_t i = 0; i < walk->chains; i++) {
        if (walk->chain[i].writer == writer) {
            return &walk->chain[i];
        }
    }
    if (walk->chains == WRITERS_MAX) {
        return NULL;
    }
    walk->chain[walk->chains] = (struct chain){.writer = writer};
    return &walk->chain[walk->chains++];
}

/* NULL: it fits; else what is wrong with it. */
static const char *judge(struct walk *walk, const struct pv_audit_row *row)
{
    struct chain *chain = chain_of(walk, row->writer);
    if (chain == NULL) {
        return "there are more writers than can be verified at once";
    }
    if (row->n != chain->n + 1) {
        return "records before it are missing";
    }
    if (!pv_hash_eq(row->previous, chain->hash)) {
        return "it does not follow the record before it";
    }
    if (!pv_hash_eq(pv_audit_hash(row), row->hash)) {
        return "it was changed";
    }
    chain->n = row->n;
    chain->hash = row->hash;
    return NULL;
}

static void send_verdict(struct pv_call *call, const struct pv_audit_row *bad, const char *what)
{
    const struct walk *walk = call->state;
    pv_buf_char(&call->out, '{');
    pv_show_bool(&call->out, "valid", bad == NULL);
    pv_show_i64(&call->out, "records", (int64_t)walk->records);
    if (bad != NULL) {
        pv_show_i64(&call->out, "bad_record", (int64_t)bad->n);
    } else {
        pv_show_c(&call->out, "bad_record", NULL);
    }
    pv_show_c(&call->out, "error", what);
    pv_buf_char(&call->out, '}');
    pv_call_send(call, 200);
}

static void next_page(struct pv_call *call);

static void page_read(struct pv_req *req)
{
    struct pv_call *call = pv_call_of(req);
    struct walk *walk = call->state;
    const struct pv_list_req *list = &call->r.list;
    if (req->status != 0) {
        pv_call_fail_status(call, req->status, &req->err, "record");
        return;
    }
    for (size_t i = 0; i < list->ret_count; i++) {
        const struct pv_audit_row *row = &list->ret_audit[i];
        const char *what = judge(walk, row);
        if (what != NULL) {
            send_verdict(call, row, what);
            return;
        }
        walk->records++;
        walk->after = row->n;
    }
    if (list->ret_more) {
        next_page(call);
    } else {
        send_verdict(call, NULL, NULL);
    }
}

static void next_page(struct pv_call *call)
{
    const struct walk *walk = call->state;
    pv_call_req(call, PV_REQ_LIST, page_read);
    call->r.list.what = PV_LIST_AUDIT;
    call->r.list.state = -1;
    call->r.list.after_n = walk->after;
    call->r.list.limit = PV_API_PAGE_MAX;
    pv_call_submit(call);
}

static void get_verify(struct pv_call *call)
{
    call->state = pv_arena_alloc(&call->arena, sizeof(struct walk));
    if (call->state == NULL) {
        pv_call_fail_status(call, PV_ENOMEM, NULL, "");
        return;
    }
    next_page(call);
}

const struct pv_route pv_routes_verify[] = {
    {"GET", "/v1/audit/verify", PV_SCOPE_ADMIN, 0, get_verify, 0},
    {NULL, NULL, 0, 0, NULL, 0},
};
