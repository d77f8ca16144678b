/* SPDX-License-Identifier: Apache-2.0 */
/* terminate-absent: expects an id in the state document. */
#include "tests/plugins/broken/base.h"

static int terminate(struct provost_call *call)
{
    return known_path(call) != NULL
               ? good_delete(call)
               : provost_fail(call, PROVOST_PERMANENT, -1, "there is no id to delete");
}

#define BROKEN_DELETE terminate
#define BROKEN_NAME "absent"
#include "tests/plugins/broken/base.h"
