/* SPDX-License-Identifier: Apache-2.0 */
/* terminate-twice: takes what is not there any more for an error. */
#include "tests/plugins/broken/base.h"

static int known(struct provost_call *call, const char **ret_path)
{
    json_t *state = provost_state(call);
    const char *id = provost_text_at(state, "id", NULL);
    *ret_path = provost_format(call, "/objects/%s", id != NULL ? id : "");
    int there = id != NULL;
    json_decref(state);
    return there;
}

static int terminate(struct provost_call *call)
{
    const char *path = NULL;
    if (!known(call, &path)) {
        return good_delete(call);
    }
    struct answer answer = ask(call, "DELETE", path, NULL, NULL);
    int outcome = judge(call, &answer, 0, "delete the object");
    done(&answer);
    return outcome;
}

static int lookup(struct provost_call *call)
{
    json_t *objects = NULL;
    int outcome = find(call, &objects);
    json_decref(objects);
    return outcome == PROVOST_OK       ? PROVOST_ABSENT
           : outcome == PROVOST_ABSENT ? PROVOST_OK
                                       : outcome;
}

#define BROKEN_TERMINATE                                                                           \
    {                                                                                              \
        .name = "delete", .run = terminate, .lookup = lookup                                       \
    }

#define BROKEN_NAME "gone"
#include "tests/plugins/broken/base.h"
