/* SPDX-License-Identifier: Apache-2.0 */
/* See small.h. */
#include "core/runner/small.h"

#include <fcntl.h>
#include <unistd.h>

bool pv_small_read(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, out, size - 1) : -1;
    if (fd >= 0) {
        close(fd);
    }
    out[n > 0 ? n : 0] = '\0';
    return n > 0;
}
