/* SPDX-License-Identifier: Apache-2.0 */
/* life: terminate leaves the object where it is. */
#include "tests/plugins/broken/base.h"

static int terminate(struct provost_call *call)
{
    (void)call;
    return PROVOST_OK;
}

#define BROKEN_DELETE terminate
#define BROKEN_NAME "litter"
#include "tests/plugins/broken/base.h"
