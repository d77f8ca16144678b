/* SPDX-License-Identifier: Apache-2.0 */
/* The table that benchmarks of SQLite alone insert into, in a database as the store opens it. */
#ifndef PV_TESTS_BENCH_TABLE_H
#define PV_TESTS_BENCH_TABLE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

/* definition: the columns, and what follows them. *ret_insert goes to sqlite3_finalize. */
static inline bool bench_table(sqlite3 *db, const char *definition, sqlite3_stmt **ret_insert)
{
    char *create = sqlite3_mprintf("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                                   "CREATE TABLE event %s",
                                   definition);
    bool fine = create != NULL && sqlite3_exec(db, create, NULL, NULL, NULL) == SQLITE_OK;
    sqlite3_free(create);
    return fine && sqlite3_prepare_v2(db, "INSERT INTO event VALUES (?, ?)", -1, ret_insert,
                                      NULL) == SQLITE_OK;
}

#endif
