/* SPDX-License-Identifier: Apache-2.0 */
/* terminate-twice: takes what is not there any more for an error. */
#include "tests/plugins/broken/base.h"

static int terminate(struct provost_call *call)
{
    const char *path = known_path(call);
    if (path == NULL) {
        return good_delete(call);
    }
    struct answer answer = ask(call, "DELETE", path, NULL, NULL);
    return settle(&answer, judge(call, &answer, 0, "delete the object"));
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

#define BROKEN_DELETE terminate
#define BROKEN_DELETE_LOOKUP lookup
#define BROKEN_DELETE_FLAGS 0
#define BROKEN_NAME "gone"
#include "tests/plugins/broken/base.h"
