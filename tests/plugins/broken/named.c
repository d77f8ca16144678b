/* SPDX-License-Identifier: Apache-2.0 */
/* ref: names its objects by the billing system's id. */
#include "tests/plugins/broken/base.h"

static int create(struct provost_call *call)
{
    struct answer answer = put_object(call, call->external_id, NULL);
    return keep(call, &answer, judge(call, &answer, 1, "create the object"));
}

#define BROKEN_CREATE create
#define BROKEN_CREATE_FLAGS PROVOST_S_REPEATABLE
#define BROKEN_NAME "named"
#include "tests/plugins/broken/base.h"
