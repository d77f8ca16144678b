/* SPDX-License-Identifier: Apache-2.0 */
/* actions: an action that knows in its process alone what it has begun. */
#include "tests/plugins/broken/base.h"

static char begun[64];

static int clone(struct provost_call *call)
{
    json_t *objects = NULL;
    int outcome = strcmp(begun, call->ref) == 0 ? find(call, &objects) : PROVOST_ABSENT;
    size_t count = json_array_size(objects);
    json_decref(objects);
    if (count > 1 || (outcome != PROVOST_OK && outcome != PROVOST_ABSENT)) {
        return outcome;
    }
    strncpy(begun, call->ref, sizeof(begun) - 1);
    struct answer answer = post_object(call);
    return settle(&answer, judge(call, &answer, 1, "clone the object"));
}

#define BROKEN_ACTION clone
#define BROKEN_NAME "fleeting"
#include "tests/plugins/broken/base.h"
