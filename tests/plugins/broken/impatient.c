/* SPDX-License-Identifier: Apache-2.0 */
/* rate-limit: gives up for good when it is asked to wait. */
#include "tests/plugins/broken/base.h"

static int enable(struct provost_call *call)
{
    const char *path = NULL;
    int outcome = path_of(call, &path);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    struct answer answer = ask(call, "PATCH", path, json_pack("{s:b}", "enabled", 1), NULL);
    outcome = answer.response.status == 429
                  ? provost_fail(call, PROVOST_PERMANENT, -1, "too many requests")
                  : judge(call, &answer, 1, "enable the object");
    done(&answer);
    return outcome;
}

#define BROKEN_SECOND                                                                              \
    {                                                                                              \
        .name = "enable", .run = enable, .flags = PROVOST_S_REPEATABLE                             \
    }

#define BROKEN_NAME "impatient"
#include "tests/plugins/broken/base.h"
