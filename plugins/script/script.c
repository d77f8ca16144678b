/* SPDX-License-Identifier: Apache-2.0 */
/* The script plugin: operations are programs of the administrator's, JSON goes in on standard input
 * and comes out on standard output. */
#include "plugins/script/script.h"

static const struct provost_field settings[] = {
    {.name = "path",
     .type = PROVOST_T_STRING,
     .flags = PROVOST_F_REQUIRED,
     .pattern = "^/",
     .max = 4000,
     .label = "Program",
     .description = "A program that is called with the operation as its first argument, or a "
                    "folder with a program for each operation."},
    {.name = "options",
     .type = PROVOST_T_MAP,
     .max = 64,
     .label = "Options",
     .description = "What the program is to know; reaches it as `options`."},
    {.name = "secrets",
     .type = PROVOST_T_MAP,
     .flags = PROVOST_F_SECRET,
     .max = 64,
     .label = "Secrets",
     .description = "The same for secrets: they reach the program on standard input only."},
    {.name = "operations",
     .type = PROVOST_T_LIST,
     .max = 6,
     .label = "Operations",
     .description = "What a single program without a description does; default: create, suspend, "
                    "unsuspend, terminate."},
    {.name = "repeatable",
     .type = PROVOST_T_BOOL,
     .fallback = "false",
     .label = "Repeatable",
     .description = "Every step may be run again, whatever became of the last time. A description "
                    "says it of each step."},
    {.name = "timeout",
     .type = PROVOST_T_DURATION,
     .fallback = "60s",
     .min = 1000,
     .max = 3600000,
     .label = "Time limit",
     .description = "Of one call of a program; a description may say another one of a step."},
    {.name = "output",
     .type = PROVOST_T_SIZE,
     .fallback = "1MiB",
     .min = 1024,
     .max = 16777216,
     .label = "Output limit",
     .description = "Most that a program may write to each of its two streams."},
    {0},
};

static const struct provost_plugin plugin = {
    PROVOST_PLUGIN_HEAD,
    .flags = PROVOST_P_EXEC | PROVOST_P_READ | PROVOST_P_WRITE | PROVOST_P_UNIX_SOCKETS,
    .name = "script",
    .version = "0.1.0",
    .summary = "Operations as programs in any language: JSON in, JSON out.",
    .settings = settings,
    .declare = script_declare,
};

PROVOST_PLUGIN(plugin)
