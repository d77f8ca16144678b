/* SPDX-License-Identifier: Apache-2.0 */
/* Files that the kernel writes, of /proc and of cgroups. Any thread. */
#ifndef PV_RUNNER_SMALL_H
#define PV_RUNNER_SMALL_H

#include <stdbool.h>
#include <stddef.h>

/* The text of a file in one read, cut off at `size` with its NUL. false: there is none, and `out`
 * is empty. */
bool pv_small_read(const char *path, char *out, size_t size);

#endif
