/* SPDX-License-Identifier: Apache-2.0 */
/* cancel: asks until it gets an answer, whatever the host says. */
#include "tests/plugins/broken/base.h"

static int enable(struct provost_call *call)
{
    struct answer answer = ask(call, "GET", "/objects", NULL, NULL);
    while (answer.code != 0) {
        answer = ask(call, "GET", "/objects", NULL, NULL);
    }
    int outcome = settle(&answer, judge(call, &answer, 1, "list the objects"));
    return outcome == PROVOST_OK ? good_enable(call) : outcome;
}

#define BROKEN_ENABLE enable
#define BROKEN_NAME "deaf"
#include "tests/plugins/broken/base.h"
