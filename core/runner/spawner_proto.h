/* SPDX-License-Identifier: Apache-2.0 */
/* What the two sides of the spawner's socket say; one packet each. Both sides are the same program,
 * so the structs travel as they are. */
#ifndef PV_RUNNER_SPAWNER_PROTO_H
#define PV_RUNNER_SPAWNER_PROTO_H

#include "core/runner/spawner.h"

#define PV_SPAWNER_TEXT 4096 /* program and name, each with its NUL */
#define PV_SPAWNER_FDS 4     /* the most */

enum pv_spawner_ask_kind {
    PV_SPAWN_ASK_START = 1, /* socket, page and reach; perhaps one that takes processes into a
                               cgroup */
    PV_SPAWN_ASK_KILL = 2,
    PV_SPAWN_ASK_HOLD = 3, /* one descriptor */
};

struct pv_spawner_ask {
    uint32_t kind;
    int32_t signal;
    uint64_t id;
    uint32_t name_at; /* offset of the name in text; the program stands at 0 */
    uint32_t text_len;
    char text[PV_SPAWNER_TEXT];
};

#endif
