/* SPDX-License-Identifier: Apache-2.0 */
/* actions: an action that waits where the backend is busy, but not as long as it is told. */
#include "tests/plugins/broken/base.h"

static int act(struct provost_call *call)
{
    return mistake(call, 0, 429, PROVOST_TEMPORARY, "the backend is busy");
}

#define BROKEN_ACTION act
#define BROKEN_NAME "eager"
#include "tests/plugins/broken/base.h"
