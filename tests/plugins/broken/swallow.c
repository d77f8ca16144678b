/* SPDX-License-Identifier: Apache-2.0 */
/* denied: takes 401 for a yes. */
#include "tests/plugins/broken/base.h"

static int disable(struct provost_call *call)
{
    struct answer answer;
    int outcome = send_enabled(call, 0, &answer);
    if (outcome == PROVOST_OK && answer.response.status != 401) {
        outcome = judge(call, &answer, 1, "disable the object");
    }
    return settle(&answer, outcome);
}

#define BROKEN_DISABLE disable
#define BROKEN_NAME "swallow"
#include "tests/plugins/broken/base.h"
