/* SPDX-License-Identifier: Apache-2.0 */
/* idempotency-key: another key in every attempt. */
#include "tests/plugins/broken/base.h"

static int create(struct provost_call *call)
{
    const char *label = provost_format(call, "create-%u", (unsigned)call->attempt);
    const char *path = provost_format(call, "/objects/%s", call->ref);
    struct answer answer = ask(call, "PUT", path, json_pack("{s:s}", "ref", call->ref), label);
    int outcome = judge(call, &answer, 1, "create the object");
    if (outcome == PROVOST_OK) {
        outcome = remember(call, answer.json);
    }
    done(&answer);
    return outcome;
}

#define BROKEN_CREATE                                                                              \
    {                                                                                              \
        .name = "object", .run = create, .undo = good_delete, .lookup = good_lookup,               \
        .flags = PROVOST_S_REPEATABLE                                                              \
    }

#define BROKEN_NAME "rekey"
#include "tests/plugins/broken/base.h"
