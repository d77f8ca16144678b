/* SPDX-License-Identifier: Apache-2.0 */
/* actions: an action that makes one more object each time it is called. */
#include "tests/plugins/broken/base.h"

static int clone(struct provost_call *call)
{
    struct answer answer = post_object(call);
    return settle(&answer, judge(call, &answer, 1, "clone the object"));
}

#define BROKEN_ACTION clone
#define BROKEN_NAME "again"
#include "tests/plugins/broken/base.h"
