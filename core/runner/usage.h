/* SPDX-License-Identifier: Apache-2.0 */
/* What a host and the programs it started use, read from /proc. */
#ifndef PV_RUNNER_USAGE_H
#define PV_RUNNER_USAGE_H

#include "core/wire/page.h"

#include <stdint.h>

#define PV_USAGE_NO_SLOT UINT32_MAX

struct pv_usage {
    uint64_t below_bytes; /* private resident memory of the programs that it started */
    uint64_t cpu_ms; /* of its threads but the loop's, and of these programs; since the start */
    uint32_t slot;   /* of the call that its busiest running thread works for, if it says so */
};

/* Nothing is used, and no slot is named, when the process is gone. */
void pv_usage_read(int pid, struct pv_usage *ret);

#endif
