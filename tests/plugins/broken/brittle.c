/* SPDX-License-Identifier: Apache-2.0 */
/* garbage: believes that every answer has an id. */
#include "tests/plugins/broken/base.h"

static int create(struct provost_call *call)
{
    struct answer answer = post_object(call);
    int outcome = judge(call, &answer, 0, "create the object");
    if (outcome == PROVOST_OK && json_string_value(json_object_get(answer.json, "id"))[0] != 'o') {
        outcome = provost_fail(call, PROVOST_UNKNOWN, -1, "an odd id");
    }
    return keep(call, &answer, outcome);
}

#define BROKEN_CREATE create
#define BROKEN_NAME "brittle"
#include "tests/plugins/broken/base.h"
