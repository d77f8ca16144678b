/* SPDX-License-Identifier: Apache-2.0 */
/* A module built with a plugin.h of later: each struct has members at its end that this host does
 * not know. */
#include <provost/plugin.h>

struct new_step {
    struct provost_step known;
    const char *later[3];
};

struct new_field {
    struct provost_field known;
    const char *later[2];
};

struct new_plugin {
    struct provost_plugin known;
    const char *later[5];
};

static int run(struct provost_call *call)
{
    return PROVOST_HAS(call->host, secret_new) ? PROVOST_OK : PROVOST_PERMANENT;
}

static const struct new_field settings[] = {
    {{.name = "url", .type = PROVOST_T_URL}, {"x", "y"}}, {{.name = "mode"}, {"x"}}, {{0}, {0}}};
static const struct new_step create[] = {{{.name = "first", .run = run}, {"x"}},
                                         {{.name = "second", .run = run, .poll = run}, {"y"}},
                                         {{0}, {0}}};

static const struct new_plugin newer = {
    .known =
        {
            .struct_size = sizeof(struct new_plugin),
            .abi = PROVOST_ABI,
            .field_size = sizeof(struct new_field),
            .step_size = sizeof(struct new_step),
            .action_size = sizeof(struct provost_action),
            .query_size = sizeof(struct provost_query),
            .name = "newer",
            .version = "2.0.0",
            .settings = &settings[0].known,
            .create = &create[0].known,
        },
    .later = {"z"},
};

PROVOST_PLUGIN(newer.known)
