/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade: waits for ever with the undo of what it has done. */
#include "tests/plugins/broken/base.h"

static int undo(struct provost_call *call)
{
    return provost_fail(call, PROVOST_TEMPORARY, -1, "it cannot be taken back today");
}

#define BROKEN_RESIZE_UNDO undo
#define BROKEN_NAME "stalling"
#include "tests/plugins/broken/base.h"
