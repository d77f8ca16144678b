/* SPDX-License-Identifier: Apache-2.0 */
/* actions: an action whose undo leaves what it has made. */
#include "tests/plugins/broken/base.h"

static int clone(struct provost_call *call)
{
    struct answer answer = put_object(call, provost_format(call, "%s-clone", call->ref), NULL);
    return settle(&answer, judge(call, &answer, 1, "clone the object"));
}

static int forget(struct provost_call *call)
{
    (void)call;
    return PROVOST_OK;
}

#define BROKEN_ACTION clone
#define BROKEN_ACTION_UNDO forget
#define BROKEN_NAME "keepsake"
#include "tests/plugins/broken/base.h"
