/* SPDX-License-Identifier: Apache-2.0 */
/* idempotency-key: another key in every attempt. */
#include "tests/plugins/broken/base.h"

static int create(struct provost_call *call)
{
    return put_keyed(call, provost_format(call, "create-%u", (unsigned)call->attempt));
}

#define BROKEN_CREATE create
#define BROKEN_CREATE_FLAGS PROVOST_S_REPEATABLE
#define BROKEN_NAME "rekey"
#include "tests/plugins/broken/base.h"
