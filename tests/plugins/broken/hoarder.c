/* SPDX-License-Identifier: Apache-2.0 */
/* state-size: keeps a whole answer, and does not look whether that went well. */
#include "tests/plugins/broken/base.h"

static int create(struct provost_call *call)
{
    struct answer answer = post_object(call);
    int outcome = judge(call, &answer, 0, "create the object");
    if (outcome == PROVOST_OK && provost_text_at(answer.json, "id", NULL) == NULL) {
        outcome = provost_fail(call, PROVOST_UNKNOWN, -1, "the answer names no id");
    } else if (outcome == PROVOST_OK) {
        (void)provost_set_state(call, answer.json);
    }
    return settle(&answer, outcome);
}

static int terminate(struct provost_call *call)
{
    const char *path = known_path(call);
    return path != NULL ? delete_at(call, path) : PROVOST_OK;
}

#define BROKEN_CREATE create
#define BROKEN_DELETE terminate
#define BROKEN_NAME "hoarder"
#include "tests/plugins/broken/base.h"
