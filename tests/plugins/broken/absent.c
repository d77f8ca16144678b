/* SPDX-License-Identifier: Apache-2.0 */
/* terminate-absent: expects an id in the state document. */
#include "tests/plugins/broken/base.h"

static int terminate(struct provost_call *call)
{
    json_t *state = provost_state(call);
    int known = provost_at(state, "id") != NULL;
    json_decref(state);
    return known ? good_delete(call)
                 : provost_fail(call, PROVOST_PERMANENT, -1, "there is no id to delete");
}

#define BROKEN_TERMINATE                                                                           \
    {                                                                                              \
        .name = "delete", .run = terminate, .flags = PROVOST_S_REPEATABLE                          \
    }

#define BROKEN_NAME "absent"
#include "tests/plugins/broken/base.h"
