/* SPDX-License-Identifier: Apache-2.0 */
/* actions: an action that waits where its credentials are refused, as if that would pass. */
#include "tests/plugins/broken/base.h"

static int act(struct provost_call *call)
{
    return mistake(call, 0, 401, PROVOST_TEMPORARY, "the backend does not know us today");
}

#define BROKEN_ACTION act
#define BROKEN_NAME "sullen"
#include "tests/plugins/broken/base.h"
