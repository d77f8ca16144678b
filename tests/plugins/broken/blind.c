/* SPDX-License-Identifier: Apache-2.0 */
/* lost-answer: takes a lost answer for a request that was not carried out. */
#include "tests/plugins/broken/base.h"

static int create(struct provost_call *call)
{
    struct answer answer =
        ask(call, "POST", "/objects", json_pack("{s:s}", "ref", call->ref), "create");
    int outcome = answer.code == PROVOST_E_LOST ? PROVOST_TEMPORARY
                                                : judge(call, &answer, 0, "create the object");
    if (outcome == PROVOST_OK) {
        outcome = remember(call, answer.json);
    }
    done(&answer);
    return outcome;
}

#define BROKEN_CREATE                                                                              \
    {                                                                                              \
        .name = "object", .run = create, .undo = good_delete, .lookup = good_lookup                \
    }

#define BROKEN_NAME "blind"
#include "tests/plugins/broken/base.h"
