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
    struct answer answer = {0};
    int outcome = is_disabled(call, &disabled);
    if (outcome == PROVOST_OK && disabled) {
        return provost_fail(call, PROVOST_PERMANENT, -1, "it is suspended already");
    }
    outcome = outcome == PROVOST_OK ? send_enabled(call, 0, &answer) : outcome;
    return settle(&answer,
                  outcome == PROVOST_OK ? judge(call, &answer, 0, "disable the object") : outcome);
}

static int lookup(struct provost_call *call)
{
    int disabled = 0;
    int outcome = is_disabled(call, &disabled);
    return outcome == PROVOST_OK && !disabled ? PROVOST_ABSENT : outcome;
}

#define BROKEN_DISABLE disable
#define BROKEN_DISABLE_LOOKUP lookup
#define BROKEN_DISABLE_FLAGS 0
#define BROKEN_NAME "stern"
#include "tests/plugins/broken/base.h"
