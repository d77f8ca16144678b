/* SPDX-License-Identifier: Apache-2.0 */
/* sd_notify(3) without libsystemd. */
#include "core/daemon/notify.h"

#include "core/base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int64_t watchdog_ms(void)
{
    const char *usec = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    int64_t value = 0;
    int64_t whose = 0;
    if (!usec || pv_str_to_i64(pv_str(usec), &value) != 0 || value <= 0) {
        return 0;
    }
    if (pid && (pv_str_to_i64(pv_str(pid), &whose) != 0 || whose != (int64_t)getpid())) {
        return 0;
    }
    int64_t half_ms = value / 2000;
    return half_ms > 0 ? half_ms : 1;
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len < 2 || len >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@')) {
        return -1;
    }
    memcpy(address.sun_path, path, len);
    if (path[0] == '@') {
        address.sun_path[0] = '\0';
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, size) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

void pv_notify_init(struct pv_notify *notify)
{
    const char *path = getenv("NOTIFY_SOCKET");
    notify->fd = path ? connect_to(path) : -1;
    notify->watchdog_ms = notify->fd >= 0 ? watchdog_ms() : 0;
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

void pv_notify_done(struct pv_notify *notify)
{
    if (notify->fd >= 0) {
        close(notify->fd);
        notify->fd = -1;
    }
}

void pv_notify_send(const struct pv_notify *notify, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (notify->fd >= 0 && len > 0 && (size_t)len < sizeof(text)) {
        ssize_t sent = send(notify->fd, text, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)sent;
    }
}
