/* SPDX-License-Identifier: Apache-2.0 */
/* actions: an action that waits where its credentials are refused, as if that would pass. */
#include "tests/plugins/broken/base.h"

static int act(struct provost_call *call)
{
    struct answer answer;
    int outcome = send_enabled(call, 0, &answer);
    if (outcome == PROVOST_OK && answer.response.status == 401) {
        outcome = provost_fail(call, PROVOST_TEMPORARY, -1, "the backend does not know us today");
    } else if (outcome == PROVOST_OK) {
        outcome = judge(call, &answer, 1, "change the object");
    }
    return settle(&answer, outcome);
}

#define BROKEN_ACTION act
#define BROKEN_NAME "sullen"
#include "tests/plugins/broken/base.h"
