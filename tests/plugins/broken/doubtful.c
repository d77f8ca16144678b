/* SPDX-License-Identifier: Apache-2.0 */
/* rate-limit: does not know what has become of a request that it is asked to wait with. */
#include "tests/plugins/broken/base.h"

static int enable(struct provost_call *call)
{
    return mistake(call, 1, 429, PROVOST_UNKNOWN, "who knows");
}

#define BROKEN_ENABLE enable
#define BROKEN_NAME "doubtful"
#include "tests/plugins/broken/base.h"
