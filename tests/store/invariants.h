/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold in a store's SQLite database, whatever happened before: tests/lib/invariants.py
 * for programs in C. */
#ifndef PV_TESTS_STORE_INVARIANTS_H
#define PV_TESTS_STORE_INVARIANTS_H

#include <stdbool.h>
#include <stddef.h>

/* Reads the database. True: everything holds; else *why says what does not. */
bool store_holds(const char *path, char *why, size_t size);

#endif
