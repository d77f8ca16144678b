/* SPDX-License-Identifier: Apache-2.0 */
/* A database with a keys file, opened without a loop, for what is done to its keys. */
#ifndef PV_TESTS_STORE_RIG_H
#define PV_TESTS_STORE_RIG_H

#include "tests/store/harness.h"

#include "core/store/sqlite_db.h"

struct rig {
    char folder[64];
    char path[96];
    char keys[96];
    struct pv_keyring *keyring;
    struct pv_sqlite_db db;
    struct pv_logic logic;
    bool open;
};

/* cmocka's set-up and tear-down; *state is a struct rig. */
int rig_setup(void **state);
int rig_teardown(void **state);
/* With the keyring that is set. */
int rig_try_open(struct rig *r, struct pv_err *err);
/* Closes the database and forgets the keys. */
void rig_shut(struct rig *r);
/* With the keys file as it is now. */
void rig_reopen(struct rig *r);
size_t rig_read_keys(const struct rig *r, char out[8192]);
/* Takes the line of a key out, as an operator does. */
void rig_drop_line(const struct rig *r, unsigned id);
uint32_t rig_rotate(struct rig *r);

#endif
