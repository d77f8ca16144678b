/* SPDX-License-Identifier: Apache-2.0 */
/* actions: an action that believes that what begins as an object ends as one. */
#include "tests/plugins/broken/base.h"

static int act(struct provost_call *call)
{
    struct answer answer;
    int outcome = send_enabled(call, 0, &answer);
    if (outcome == PROVOST_OK) {
        outcome = judge(call, &answer, 1, "change the object");
    }
    const char *body = outcome == PROVOST_OK ? answer.response.body : "";
    if (body[0] == '{' && strrchr(body, '}')[0] != '}') {
        outcome = provost_fail(call, PROVOST_UNKNOWN, -1, "an odd answer");
    }
    return settle(&answer, outcome);
}

#define BROKEN_ACTION act
#define BROKEN_NAME "torn"
#include "tests/plugins/broken/base.h"
