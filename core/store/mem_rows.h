/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the memory store: every table and index is a range of one ordered map. One thread. */
#ifndef PV_STORE_MEM_ROWS_H
#define PV_STORE_MEM_ROWS_H

#include "core/store/mem_tree.h"
#include "core/store/rows.h"

struct pv_mem_rows {
    struct pv_rows rows; /* first */
    struct pv_rows_ops ops;
    struct pv_tree tree;
    size_t mark;
    int64_t last_service;
    int64_t last_op;
    uint64_t last_outbox;
};

void pv_mem_rows_init(struct pv_mem_rows *mem);
void pv_mem_rows_done(struct pv_mem_rows *mem);

/* ---- between mem_rows.c and mem_things.c ---- */

/* First byte of every key. */
enum pv_mem_table {
    PV_M_SVC = 1, /* n */
    PV_M_SVC_ID,  /* id → n */
    PV_M_DUE,     /* lane, due, n */
    PV_M_LIVE,    /* active_state, active_n → n */
    PV_M_DETAIL,
    PV_M_OP, /* n */
    PV_M_OP_ID,
    PV_M_OP_OF, /* service_n, n */
    PV_M_IDEM,
    PV_M_WAIT, /* service_n, op_n */
    PV_M_DOC,
    PV_M_STEP,
    PV_M_SIGNAL,
    PV_M_KV,
    PV_M_GRANT,
    PV_M_SLOT,
    PV_M_SLOT_OF,
    PV_M_POOL,
    PV_M_QUOTA,
    PV_M_AUDIT,
    PV_M_OUTBOX,
    PV_M_SUBSCRIBER,
    PV_M_TOKEN,
    PV_M_PAUSE,
};

/* How a row struct is copied: its size and where its strings are. */
struct pv_shape {
    size_t size;
    size_t count;
    const size_t *strings;
};

struct pv_key pv_mem_key(enum pv_mem_table table);
/* Stores a deep copy under the key. */
int pv_mem_put(struct pv_rows *rows, const struct pv_key *key, const struct pv_shape *shape,
               const void *row) PV_MUST_CHECK;
/* Copies the row out, its strings into the arena; PV_ENOTFOUND. */
int pv_mem_get(struct pv_rows *rows, const struct pv_key *key, const struct pv_shape *shape,
               struct pv_arena *arena, void *ret) PV_MUST_CHECK;
/* Every row under the prefix into an array in the arena. */
int pv_mem_all(struct pv_rows *rows, const struct pv_key *prefix, const struct pv_shape *shape,
               struct pv_arena *arena, size_t limit, void *ret_array,
               size_t *ret_count) PV_MUST_CHECK;
/* Deletes it if it is there. */
int pv_mem_drop(struct pv_rows *rows, const struct pv_key *key) PV_MUST_CHECK;
int pv_mem_drop_all(struct pv_rows *rows, const struct pv_key *prefix) PV_MUST_CHECK;
struct pv_tree *pv_mem_tree(struct pv_rows *rows);
extern const struct pv_shape pv_mem_shape_number; /* an int64_t */

#define PV_STRINGS(name, ...) static const size_t name[] = {__VA_ARGS__}
#define PV_SHAPE(type, strings)                                                                    \
    {                                                                                              \
        sizeof(struct type), sizeof(strings) / sizeof((strings)[0]), strings                       \
    }

/* Fills in what mem_things.c and mem_outbox.c implement. */
void pv_mem_things(struct pv_rows_ops *ops);
void pv_mem_outbox(struct pv_rows_ops *ops);

#endif
