/* SPDX-License-Identifier: Apache-2.0 */
/* actions: an action that gives up for good when the backend is busy. */
#include "tests/plugins/broken/base.h"

static int act(struct provost_call *call)
{
    struct answer answer;
    int outcome = send_enabled(call, 0, &answer);
    if (outcome == PROVOST_OK && answer.response.status == 429) {
        outcome = provost_fail(call, PROVOST_PERMANENT, -1, "the backend does not want to");
    } else if (outcome == PROVOST_OK) {
        outcome = judge(call, &answer, 1, "change the object");
    }
    return settle(&answer, outcome);
}

#define BROKEN_ACTION act
#define BROKEN_NAME "curt"
#include "tests/plugins/broken/base.h"
