/* SPDX-License-Identifier: Apache-2.0 */
/* provostd's command line. */
#include "core/daemon/options.h"

#include "core/daemon/version.h"

#include <getopt.h>
#include <stdio.h>

static const char help[] =
    "usage: provostd -c FILE [--check | --migrate]\n"
    "\n"
    "  -c, --config FILE  the configuration (conf.d/*.yaml beside it is read too)\n"
    "      --check        say what is wrong with the configuration, and exit\n"
    "      --migrate      bring the database up to date, and exit\n"
    "      --version      print the version, and exit\n"
    "      --help         print this, and exit\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 wrong arguments, 70 the spawner died, 74 the database cannot "
    "be\n"
    "opened, 75 another provostd uses it, 78 the configuration has errors.\n";

static int wrong(const char *sentence)
{
    fprintf(stderr, "provostd: %s\nTry 'provostd --help'.\n", sentence);
    return PV_EXIT_USAGE;
}

int pv_options_parse(int argc, char **argv, struct pv_options *ret_options)
{
    enum { O_CHECK = 256, O_MIGRATE, O_VERSION, O_HELP };
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'},  {"check", no_argument, NULL, O_CHECK},
        {"migrate", no_argument, NULL, O_MIGRATE}, {"version", no_argument, NULL, O_VERSION},
        {"help", no_argument, NULL, O_HELP},       {NULL, 0, NULL, 0},
    };
    struct pv_options options = {.task = PV_TASK_RUN};
    optind = 1;
    for (;;) {
        int option = getopt_long(argc, argv, "c:h", known, NULL);
        if (option < 0) {
            break;
        }
        switch (option) {
        case 'c':
            options.config = optarg;
            break;
        case O_CHECK:
            options.task = PV_TASK_CHECK;
            break;
        case O_MIGRATE:
            options.task = PV_TASK_MIGRATE;
            break;
        case O_VERSION:
            printf("provostd %s\n", PV_VERSION);
            return PV_EXIT_OK;
        case O_HELP:
        case 'h':
            fputs(help, stdout);
            return PV_EXIT_OK;
        default: /* getopt has said what is wrong */
            return PV_EXIT_USAGE;
        }
    }
    if (optind < argc) {
        return wrong("unexpected argument");
    }
    if (!options.config) {
        return wrong("-c FILE is missing");
    }
    *ret_options = options;
    return -1;
}
