/* SPDX-License-Identifier: Apache-2.0 */
/* actions: an action that calls it a failure for good when it is canceled. */
#include "tests/plugins/broken/base.h"

static int act(struct provost_call *call)
{
    struct answer answer;
    int outcome = send_enabled(call, 0, &answer);
    if (outcome == PROVOST_OK) {
        outcome = answer.code == PROVOST_E_CANCELED
                      ? provost_fail(call, PROVOST_PERMANENT, -1, "somebody canceled it")
                      : judge(call, &answer, 1, "change the object");
    }
    return settle(&answer, outcome);
}

#define BROKEN_ACTION act
#define BROKEN_NAME "mulish"
#include "tests/plugins/broken/base.h"
