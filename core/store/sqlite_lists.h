/* SPDX-License-Identifier: Apache-2.0 */
/* Lists are answered on a thread and a connection of their own, so that however much they walk, no
 * commit waits for it: with a write-ahead log, readers see the latest commit and hold up nobody. */
#ifndef PV_STORE_SQLITE_LISTS_H
#define PV_STORE_SQLITE_LISTS_H

#include "core/store/sqlite_db.h"

#include <pthread.h>

struct pv_lists {
    char *path;
    struct pv_sqlite_db db;
    struct pv_logic logic;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct pv_link queue;                             /* under lock */
    bool stop;                                        /* under lock */
    void (*finished)(void *user, struct pv_req *req); /* on the reader's thread */
    void *user;
};

/* Starts the thread; the connection is opened by the first request. Borrows the keyring. Status, or
 * nothing was started. */
int pv_lists_start(struct pv_lists *lists, const struct pv_sqlite_options *options,
                   struct pv_id deployment, void (*finished)(void *user, struct pv_req *req),
                   void *user) PV_MUST_CHECK;
void pv_lists_submit(struct pv_lists *lists, struct pv_req *req);
/* Answers what was submitted, and ends. Any thread but the reader's. */
void pv_lists_end(struct pv_lists *lists);

#endif
