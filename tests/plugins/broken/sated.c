/* SPDX-License-Identifier: Apache-2.0 */
/* actions: an action that makes another object where the answer was larger than it reads. */
#include "tests/plugins/broken/base.h"

static int act(struct provost_call *call)
{
    struct answer answer;
    int outcome = send_enabled(call, 0, &answer);
    if (outcome == PROVOST_OK && answer.code == PROVOST_E_TOO_BIG) {
        done(&answer);
        answer = post_object(call);
    }
    if (outcome == PROVOST_OK) {
        outcome = judge(call, &answer, 1, "change the object");
    }
    return settle(&answer, outcome);
}

#define BROKEN_ACTION act
#define BROKEN_NAME "sated"
#include "tests/plugins/broken/base.h"
