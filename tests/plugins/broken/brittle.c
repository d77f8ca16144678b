/* SPDX-License-Identifier: Apache-2.0 */
/* garbage: believes that every answer has an id. */
#include "tests/plugins/broken/base.h"

static int create(struct provost_call *call)
{
    struct answer answer =
        ask(call, "POST", "/objects", json_pack("{s:s}", "ref", call->ref), "create");
    int outcome = judge(call, &answer, 0, "create the object");
    if (outcome == PROVOST_OK && json_string_value(json_object_get(answer.json, "id"))[0] != 'o') {
        outcome = provost_fail(call, PROVOST_UNKNOWN, -1, "an odd id");
    } else if (outcome == PROVOST_OK) {
        outcome = remember(call, answer.json);
    }
    done(&answer);
    return outcome;
}

#define BROKEN_CREATE                                                                              \
    {                                                                                              \
        .name = "object", .run = create, .undo = good_delete, .lookup = good_lookup                \
    }

#define BROKEN_NAME "brittle"
#include "tests/plugins/broken/base.h"
