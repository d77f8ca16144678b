/* SPDX-License-Identifier: Apache-2.0 */
/* idempotency-key: another key in every attempt. */
#include "tests/plugins/broken/base.h"

static int create(struct provost_call *call)
{
    const char *label = provost_format(call, "create-%u", (unsigned)call->attempt);
    struct answer answer = put_object(call, call->ref, label);
    return keep(call, &answer, judge(call, &answer, 1, "create the object"));
}

#define BROKEN_CREATE create
#define BROKEN_CREATE_FLAGS PROVOST_S_REPEATABLE
#define BROKEN_NAME "rekey"
#include "tests/plugins/broken/base.h"
