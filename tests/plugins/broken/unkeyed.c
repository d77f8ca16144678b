/* SPDX-License-Identifier: Apache-2.0 */
/* idempotency-key: no key where a request is repeated. */
#include "tests/plugins/broken/base.h"

static int create(struct provost_call *call)
{
    return put_keyed(call, call->attempt > 1 ? NULL : "create");
}

#define BROKEN_CREATE create
#define BROKEN_CREATE_FLAGS PROVOST_S_REPEATABLE
#define BROKEN_NAME "unkeyed"
#include "tests/plugins/broken/base.h"
