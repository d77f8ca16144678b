/* SPDX-License-Identifier: Apache-2.0 */
/* rate-limit: gives up for good when it is asked to wait. */
#include "tests/plugins/broken/base.h"

static int enable(struct provost_call *call)
{
    return mistake(call, 1, 429, PROVOST_PERMANENT, "too many requests");
}

#define BROKEN_ENABLE enable
#define BROKEN_NAME "impatient"
#include "tests/plugins/broken/base.h"
