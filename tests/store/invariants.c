/* SPDX-License-Identifier: Apache-2.0 */
/* Each invariant is a query that finds those who break it; numbers are core/engine/types.h's. */
#include "tests/store/invariants.h"

#include <sqlite3.h>
#include <stdio.h>

static const struct {
    const char *what;
    const char *sql; /* gives no row, or the number of one that breaks it */
} invariants[] = {
    {"a service's count of those who wait",
     "SELECT n FROM services s WHERE waiting <> (SELECT count(*) FROM waiting w WHERE "
     "w.service_n=s.n)"},
    {"work waits, and nothing is active",
     "SELECT n FROM services WHERE waiting <> 0 AND active_n=0"},
    {"the state of what is active",
     "SELECT n FROM services WHERE (active_n <> 0) <> (active_state BETWEEN 2 AND 4)"},
    {"ready, and never due", "SELECT n FROM services WHERE active_state=2 AND due IS NULL"},
    {"parked without a reason",
     "SELECT n FROM services WHERE active_state=4 AND coalesce(reason, '')=''"},
    {"the active operation is the service's, and not over",
     "SELECT s.n FROM services s LEFT JOIN operations o ON o.n=s.active_n WHERE s.active_n <> 0 "
     "AND "
     "(o.n IS NULL OR o.id <> s.active_op OR o.state <> 0 OR o.service_n <> s.n)"},
    {"an operation that is not over is active or waits",
     "SELECT n FROM operations o WHERE state=0 AND NOT EXISTS (SELECT 1 FROM services s WHERE "
     "s.active_n=o.n) AND NOT EXISTS (SELECT 1 FROM waiting w WHERE w.op_n=o.n)"},
    {"an operation that is over does not wait",
     "SELECT op_n FROM waiting w JOIN operations o ON o.n=w.op_n WHERE o.state <> 0"},
    {"no service's fence is below that of an operation",
     "SELECT o.n FROM operations o JOIN services s ON s.n=o.service_n WHERE o.fence > s.fence"},
    {"step rows are contiguous",
     "SELECT op_n FROM steps GROUP BY op_n HAVING min(seq) <> 1 OR max(seq) <> count(*)"},
    {"an ended operation's count of step rows",
     "SELECT n FROM operations o WHERE state <> 0 AND steps <> (SELECT count(*) FROM steps WHERE "
     "op_n=o.n)"},
    {"a service's id leads to it",
     "SELECT n FROM services EXCEPT SELECT s.n FROM services s JOIN (SELECT key, value FROM "
     "key_index "
     "UNION SELECT key, value FROM key_log) k ON k.value=s.n WHERE substr(k.key, 1, 1)=x'02' AND "
     "substr(k.key, 2)=s.id"},
    {"a key leads to one row",
     "SELECT l.n FROM key_log l JOIN key_index i ON i.key=l.key WHERE l.value <> i.value"},
    {"an event's key leads to an operation",
     "SELECT value FROM (SELECT key, value FROM key_index UNION SELECT key, value FROM key_log) "
     "WHERE substr(key, 1, 1)=x'01' AND value NOT IN (SELECT n FROM operations)"},
    {"audit records are contiguous",
     "SELECT max(n) FROM audit HAVING max(n) <> count(*) OR min(n) <> 1"},
    {"each operation has an audit record",
     "SELECT n FROM operations o WHERE id NOT IN (SELECT op FROM audit WHERE op IS NOT NULL)"},
    {"a pool's count of its values", "SELECT 1 FROM pools p WHERE used <> (SELECT count(*) FROM "
                                     "slots s WHERE s.pool=p.pool AND idx "
                                     "BETWEEN p.first AND p.last)"},
    {"a held value is held by a service",
     "SELECT idx FROM slots WHERE state=1 AND service_n NOT IN (SELECT n FROM services)"},
};

static bool finds_none(sqlite3 *db, const char *sql, char *row, size_t size)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    code = code == SQLITE_OK ? sqlite3_step(stmt) : code;
    if (code == SQLITE_ROW) {
        snprintf(row, size, "%s", (const char *)sqlite3_column_text(stmt, 0));
    } else if (code != SQLITE_DONE) {
        snprintf(row, size, "%s", sqlite3_errmsg(db));
    }
    sqlite3_finalize(stmt);
    return code == SQLITE_DONE;
}

bool store_holds(const char *path, char *why, size_t size)
{
    sqlite3 *db = NULL;
    char row[200] = "";
    bool holds = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK;
    if (!holds) {
        snprintf(why, size, "%s cannot be opened", path);
    }
    if (holds &&
        !finds_none(db, "SELECT * FROM pragma_integrity_check WHERE integrity_check <> 'ok'", row,
                    sizeof(row))) {
        snprintf(why, size, "integrity_check: %s", row);
        holds = false;
    }
    for (size_t i = 0; holds && i < sizeof(invariants) / sizeof(invariants[0]); i++) {
        if (!finds_none(db, invariants[i].sql, row, sizeof(row))) {
            snprintf(why, size, "%s: row %s", invariants[i].what, row);
            holds = false;
        }
    }
    sqlite3_close(db);
    return holds;
}
