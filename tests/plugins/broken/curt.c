/* SPDX-License-Identifier: Apache-2.0 */
/* actions: an action that gives up for good when the backend is busy. */
#include "tests/plugins/broken/base.h"

static int act(struct provost_call *call)
{
    return mistake(call, 0, 429, PROVOST_PERMANENT, "the backend does not want to");
}

#define BROKEN_ACTION act
#define BROKEN_NAME "curt"
#include "tests/plugins/broken/base.h"
