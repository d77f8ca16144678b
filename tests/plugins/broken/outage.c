/* SPDX-License-Identifier: Apache-2.0 */
/* server-error: takes an outage of the backend for a refusal. */
#include "tests/plugins/broken/base.h"

static int enable(struct provost_call *call)
{
    struct answer answer;
    int outcome = send_enabled(call, 1, &answer);
    if (outcome == PROVOST_OK && answer.response.status >= 500) {
        return settle(&answer, provost_fail(call, PROVOST_PERMANENT, -1, "the backend refuses"));
    }
    return outcome == PROVOST_OK ? settle(&answer, judge(call, &answer, 1, "enable the object"))
                                 : outcome;
}

#define BROKEN_ENABLE enable
#define BROKEN_NAME "outage"
#include "tests/plugins/broken/base.h"
