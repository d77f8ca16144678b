/* SPDX-License-Identifier: Apache-2.0 */
/* The script plugin's parts: what an instance declares, the call of a program, and what its answer
 * means. script.md says what programs see of it. On the host's loop thread. */
#ifndef PLUGINS_SCRIPT_H
#define PLUGINS_SCRIPT_H

#include "plugins/common/kit.h"

#include <sys/types.h>

enum script_call { SCRIPT_RUN, SCRIPT_POLL, SCRIPT_LOOKUP, SCRIPT_UNDO, SCRIPT_QUERY };

const char *script_call_name(enum script_call kind);

/* describe.c: what an instance with these settings declares, out of its folder's names or the
 * description beside it. It lives as long as the module. 0, or -1 and the sentence. */
int script_declare(const char *settings, const struct provost_plugin **ret_declared, char *error,
                   size_t error_size);

/* run.c */
int script_run(struct provost_call *call);
int script_poll(struct provost_call *call);
int script_lookup(struct provost_call *call);
int script_undo(struct provost_call *call);
int script_query(struct provost_call *call);

/* answer.c: the outcome of a program that was started and has ended. */
int script_answer(struct kit *kit, enum script_call kind, const struct provost_exec_result *ended);

#endif
