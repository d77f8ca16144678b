/* SPDX-License-Identifier: Apache-2.0 */
/* secrets: logs a password that the backend gave it. */
#include "tests/plugins/broken/base.h"

static int create(struct provost_call *call)
{
    struct answer answer = post_object(call);
    int outcome = judge(call, &answer, 0, "create the object");
    if (outcome == PROVOST_OK) {
        provost_log(call, PROVOST_LOG_INFO, "made, with password %s",
                    provost_text_at(answer.json, "password", "?"));
    }
    return keep(call, &answer, outcome);
}

#define BROKEN_CREATE create
#define BROKEN_NAME "chatty"
#include "tests/plugins/broken/base.h"
