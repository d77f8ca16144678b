/* SPDX-License-Identifier: Apache-2.0 */
/* provostd's command line and exit statuses. */
#ifndef PV_DAEMON_OPTIONS_H
#define PV_DAEMON_OPTIONS_H

/* docs/man/provostd.8 documents these. */
enum pv_exit {
    PV_EXIT_OK = 0,
    PV_EXIT_FAILED = 1,
    PV_EXIT_USAGE = 2,
    PV_EXIT_SPAWNER = 70, /* the spawner died */
    PV_EXIT_STORE = 74,   /* the database or its keys cannot be opened */
    PV_EXIT_LOCKED = 75,  /* another provostd, or a host it left, still runs */
    PV_EXIT_CONFIG = 78,  /* the configuration has errors */
};

enum pv_task { PV_TASK_RUN, PV_TASK_CHECK, PV_TASK_MIGRATE };

struct pv_options {
    const char *config; /* borrowed from argv */
    enum pv_task task;
};

/* Fills *ret_options and returns -1; or says what is to be said (the help, the version, what is
 * wrong) and returns the exit status. */
int pv_options_parse(int argc, char **argv, struct pv_options *ret_options);

#endif
