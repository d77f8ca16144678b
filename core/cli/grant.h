/* SPDX-License-Identifier: Apache-2.0 */
/* What a developer grants the plugin that is run: `--grant KIND=PATH` and the `grants` of files, by
 * the rules of the configuration. Without `--unconfined` its host is confined as provostd confines
 * it. One thread. */
#ifndef PV_CLI_GRANT_H
#define PV_CLI_GRANT_H

#include "core/cli/cli.h"
#include "core/config/describe.h"
#include "core/config/grants.h"
#include "core/wire/reach.h"

#define PV_CLI_GRANT_OPTIONS                                                                       \
    {.name = "grant",                                                                              \
     .letter = 'g',                                                                                \
     .value = "KIND=PATH",                                                                         \
     .type = PV_OPTION_TEXT,                                                                       \
     .help = "what the plugin may reach, as `grants` of an instance: read=, write=, exec= or "     \
             "unix_sockets=PATH, or KIND= for nothing; may be repeated"},                          \
    {                                                                                              \
        .name = "unconfined", .help = "let the plugin do whatever you may"                         \
    }

struct pv_grants {
    bool unconfined;
    bool given[PV_GRANT_KINDS]; /* by the order of pv_grant_kinds */
    struct pv_reach_paths paths[PV_GRANT_KINDS];
    struct pv_arena arena;
};

/* Reads the options, and says on standard error where the plugin will not be confined. An exit
 * status. */
int pv_grants_init(struct pv_cli *cli, struct pv_grants *ret_grants) PV_MUST_CHECK;
void pv_grants_done(struct pv_grants *grants);
/* {"exec": ["/usr/bin/rsync"], "read": []} of a file in `folder`, which relative paths start from;
 * NULL: nothing. PV_EINVAL: problems were added. */
int pv_grants_add(struct pv_grants *grants, const json_t *given, const char *folder,
                  struct pv_problems *problems) PV_MUST_CHECK;
/* The same as JSON: what pv_grants_add takes. NULL: nothing is granted, or no memory. */
json_t *pv_grants_json(const struct pv_grants *grants);
/* How many paths of each kind there are, and going back to that. */
struct pv_grants_mark {
    bool given[PV_GRANT_KINDS];
    size_t counts[PV_GRANT_KINDS];
};
struct pv_grants_mark pv_grants_mark(const struct pv_grants *grants);
void pv_grants_reset(struct pv_grants *grants, const struct pv_grants_mark *mark);
/* What its host may reach with these settings (checked), by the rules of the configuration.
 * PV_EINVAL: problems were added, such as a need that is not granted; PV_ENOMEM. */
int pv_grants_for(struct pv_grants *grants, const struct pv_plugin *plugin, const json_t *settings,
                  struct pv_strs ret_granted[PV_GRANT_KINDS],
                  struct pv_problems *problems) PV_MUST_CHECK;

#endif
