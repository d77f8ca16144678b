/* SPDX-License-Identifier: Apache-2.0 */
/* undo: says that it has undone the create, and has not. */
#include "tests/plugins/broken/base.h"

static int undo(struct provost_call *call)
{
    (void)call;
    return PROVOST_OK;
}

#define BROKEN_CREATE_UNDO undo
#define BROKEN_NAME "leftover"
#include "tests/plugins/broken/base.h"
