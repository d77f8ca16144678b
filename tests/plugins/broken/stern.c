/* SPDX-License-Identifier: Apache-2.0 */
/* suspend-twice: refuses to suspend what is suspended. */
#include "tests/plugins/broken/base.h"

static int is_disabled(struct provost_call *call, int *ret_disabled)
{
    json_t *objects = NULL;
    int outcome = find(call, &objects);
    *ret_disabled = !provost_bool_at(json_array_get(objects, 0), "enabled", 1);
    json_decref(objects);
    return outcome;
}

static int disable(struct provost_call *call)
{
    int disabled = 0;
    const char *path = NULL;
    int outcome = is_disabled(call, &disabled);
    outcome = outcome == PROVOST_OK ? path_of(call, &path) : outcome;
    if (outcome != PROVOST_OK || disabled) {
        return outcome != PROVOST_OK
                   ? outcome
                   : provost_fail(call, PROVOST_PERMANENT, -1, "it is suspended already");
    }
    struct answer answer = ask(call, "PATCH", path, json_pack("{s:b}", "enabled", 0), NULL);
    outcome = judge(call, &answer, 0, "disable the object");
    done(&answer);
    return outcome;
}

static int lookup(struct provost_call *call)
{
    int disabled = 0;
    int outcome = is_disabled(call, &disabled);
    return outcome == PROVOST_OK && !disabled ? PROVOST_ABSENT : outcome;
}

#define BROKEN_SUSPEND                                                                             \
    {                                                                                              \
        .name = "disable", .run = disable, .lookup = lookup                                        \
    }

#define BROKEN_NAME "stern"
#include "tests/plugins/broken/base.h"
