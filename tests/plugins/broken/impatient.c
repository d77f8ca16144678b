/* SPDX-License-Identifier: Apache-2.0 */
/* rate-limit: gives up for good when it is asked to wait. */
#include "tests/plugins/broken/base.h"

static int enable(struct provost_call *call)
{
    struct answer answer;
    int outcome = send_enabled(call, 1, &answer);
    if (outcome != PROVOST_OK) {
        return outcome;
    }
    return settle(&answer, answer.response.status == 429
                               ? provost_fail(call, PROVOST_PERMANENT, -1, "too many requests")
                               : judge(call, &answer, 1, "enable the object"));
}

#define BROKEN_ENABLE enable
#define BROKEN_NAME "impatient"
#include "tests/plugins/broken/base.h"
