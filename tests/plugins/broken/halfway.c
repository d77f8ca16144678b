/* SPDX-License-Identifier: Apache-2.0 */
/* actions: an action whose undo believes that all of its steps were done. */
#include "tests/plugins/broken/base.h"

static int clone(struct provost_call *call)
{
    struct answer answer = put_object(call, provost_format(call, "%s-clone", call->ref), NULL);
    return settle(&answer, judge(call, &answer, 1, "clone the object"));
}

static int next(struct provost_call *call)
{
    json_t *state = provost_state(call);
    json_object_set_new(state, "next", json_true());
    int code = provost_set_state(call, state);
    json_decref(state);
    return code == 0 ? good_disable(call) : PROVOST_TEMPORARY;
}

static int take_back(struct provost_call *call)
{
    json_t *state = provost_state(call);
    int complete = json_is_true(json_object_get(state, "next"));
    json_decref(state);
    return complete ? delete_at(call, provost_format(call, "/objects/%s-clone", call->ref))
                    : PROVOST_OK;
}

#define BROKEN_ACTION clone
#define BROKEN_ACTION_UNDO take_back
#define BROKEN_ACTION_NEXT next
#define BROKEN_NAME "halfway"
#include "tests/plugins/broken/base.h"
