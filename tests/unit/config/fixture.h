/* SPDX-License-Identifier: Apache-2.0 */
/* A temporary folder with configuration files and modules that are described from a table. */
#ifndef PV_TESTS_CONFIG_FIXTURE_H
#define PV_TESTS_CONFIG_FIXTURE_H

#include "tests/unit/unit.h"

#include "core/config/config.h"

struct fixture {
    char dir[256];
    struct pv_describe describe; /* knows the modules "dns", "site" and "support" */
    unsigned described;          /* how often it was asked */
};

/* What a program of tests needs before its first one; not 0: it failed. */
int fixture_begin(void);
/* cmocka's set-up and tear-down of a test: *state is the fixture. */
int fixture_open(void **state);
int fixture_close(void **state);
/* Writes DIR/name (its folders are made). */
void fixture_write(const struct fixture *fixture, const char *name, const char *text);
/* Writes DIR/provost.yaml and loads it; NULL when it was refused. `problems` is initialised here.
 */
struct pv_config *fixture_load(struct fixture *fixture, const char *yaml,
                               struct pv_problems *problems);
/* Every problem as a line, "DIR" for the folder. Freed with pv_free. */
char *fixture_problems(const struct fixture *fixture, const struct pv_problems *problems);
/* Loads what must be good. */
struct pv_config *fixture_good(struct fixture *fixture, const char *yaml);

/* A configuration with two products that the tests share. */
extern const char fixture_yaml[];

#endif
