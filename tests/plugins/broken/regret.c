/* SPDX-License-Identifier: Apache-2.0 */
/* actions: an action whose undo does not bear that there is nothing to undo. */
#include "tests/plugins/broken/base.h"

static const char *path_of_clone(struct provost_call *call)
{
    return provost_format(call, "/objects/%s-clone", call->ref);
}

static int clone(struct provost_call *call)
{
    struct answer answer = put_object(call, provost_format(call, "%s-clone", call->ref), NULL);
    return settle(&answer, judge(call, &answer, 1, "clone the object"));
}

static int take_back(struct provost_call *call)
{
    struct answer answer = ask(call, "DELETE", path_of_clone(call), NULL, NULL);
    return settle(&answer, judge(call, &answer, 1, "delete the clone"));
}

#define BROKEN_ACTION clone
#define BROKEN_ACTION_UNDO take_back
#define BROKEN_NAME "regret"
#include "tests/plugins/broken/base.h"
