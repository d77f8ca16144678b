/* SPDX-License-Identifier: Apache-2.0 */
/* secrets: sends its token in the URL. */
#include "tests/plugins/broken/base.h"

static int enable(struct provost_call *call)
{
    json_t *settings = provost_settings(call);
    const char *path =
        provost_format(call, "/objects?token=%s", provost_text_at(settings, "token", ""));
    struct answer answer = ask(call, "GET", path, NULL, NULL);
    int outcome = judge(call, &answer, 1, "list the objects");
    json_decref(settings);
    done(&answer);
    return outcome == PROVOST_OK ? good_enable(call) : outcome;
}

#define BROKEN_SECOND                                                                              \
    {                                                                                              \
        .name = "enable", .run = enable, .flags = PROVOST_S_REPEATABLE                             \
    }

#define BROKEN_NAME "tokenurl"
#include "tests/plugins/broken/base.h"
