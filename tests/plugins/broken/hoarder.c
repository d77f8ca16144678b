/* SPDX-License-Identifier: Apache-2.0 */
/* state-size: keeps a whole answer, and does not look whether that went well. */
#include "tests/plugins/broken/base.h"

static int create(struct provost_call *call)
{
    struct answer answer =
        ask(call, "POST", "/objects", json_pack("{s:s}", "ref", call->ref), "create");
    int outcome = judge(call, &answer, 0, "create the object");
    if (outcome == PROVOST_OK && provost_text_at(answer.json, "id", NULL) == NULL) {
        outcome = provost_fail(call, PROVOST_UNKNOWN, -1, "the answer names no id");
    } else if (outcome == PROVOST_OK) {
        (void)provost_set_state(call, answer.json);
    }
    done(&answer);
    return outcome;
}

static int terminate(struct provost_call *call)
{
    json_t *state = provost_state(call);
    const char *id = provost_text_at(state, "id", NULL);
    int outcome =
        id != NULL ? delete_at(call, provost_format(call, "/objects/%s", id)) : PROVOST_OK;
    json_decref(state);
    return outcome;
}

#define BROKEN_CREATE                                                                              \
    {                                                                                              \
        .name = "object", .run = create, .undo = good_delete, .lookup = good_lookup                \
    }
#define BROKEN_TERMINATE                                                                           \
    {                                                                                              \
        .name = "delete", .run = terminate, .flags = PROVOST_S_REPEATABLE                          \
    }

#define BROKEN_NAME "hoarder"
#include "tests/plugins/broken/base.h"
