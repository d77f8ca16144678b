/* SPDX-License-Identifier: Apache-2.0 */
/* denied: takes 401 for a yes. */
#include "tests/plugins/broken/base.h"

static int disable(struct provost_call *call)
{
    const char *path = NULL;
    int outcome = path_of(call, &path);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    struct answer answer = ask(call, "PATCH", path, json_pack("{s:b}", "enabled", 0), NULL);
    outcome =
        answer.response.status == 401 ? PROVOST_OK : judge(call, &answer, 1, "disable the object");
    done(&answer);
    return outcome;
}

#define BROKEN_SUSPEND                                                                             \
    {                                                                                              \
        .name = "disable", .run = disable, .flags = PROVOST_S_REPEATABLE                           \
    }

#define BROKEN_NAME "swallow"
#include "tests/plugins/broken/base.h"
