/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that refer to files, the environment and credentials. */
#include "core/config/reference.h"

#include "core/base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool pv_reference_in(struct pv_str text)
{
    return text.len >= 2 && memmem(text.ptr, text.len, "${", 2) != NULL;
}

static int read_open(int fd, const char *path, size_t max, struct pv_buf *out, struct pv_err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return pv_err_set(err, pv_status_from_errno(errno), "cannot read %s: %s", path,
                          strerror(errno));
    }
    if (!S_ISREG(st.st_mode)) {
        return pv_err_set(err, PV_EINVAL, "cannot read %s: not a regular file", path);
    }
    size_t had = out->len;
    for (;;) {
        char *into = pv_buf_reserve(out, 4096);
        if (!into) {
            return pv_err_set(err, out->status, "cannot read %s: %s", path,
                              pv_status_text(out->status));
        }
        ssize_t got = read(fd, into, 4096);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return pv_err_set(err, pv_status_from_errno(errno), "cannot read %s: %s", path,
                              strerror(errno));
        }
        if (got == 0) {
            return PV_OK;
        }
        out->len += (size_t)got;
        if (out->len - had > max) {
            return pv_err_set(err, PV_ETOOBIG, "%s is larger than %zu KiB", path, max / 1024);
        }
    }
}

int pv_file_read(const char *path, size_t max, struct pv_buf *out, struct pv_err *err)
{
    /* O_NONBLOCK: a FIFO must not hold us up. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return pv_err_set(err, pv_status_from_errno(errno), "cannot read %s: %s", path,
                          strerror(errno));
    }
    int status = read_open(fd, path, max, out, err);
    close(fd);
    return status;
}

static int from_file(struct pv_str name, struct pv_str dir, struct pv_buf *out, struct pv_err *err)
{
    char path[PATH_MAX];
    bool absolute = name.len > 0 && name.ptr[0] == '/';
    int len = absolute
                  ? snprintf(path, sizeof(path), "%.*s", PV_STR_ARG(name))
                  : snprintf(path, sizeof(path), "%.*s/%.*s", PV_STR_ARG(dir), PV_STR_ARG(name));
    if (len < 0 || (size_t)len >= sizeof(path)) {
        return pv_err_set(err, PV_EINVAL, "the path in ${file:…} is too long");
    }
    size_t start = out->len;
    int status = pv_file_read(path, PV_REFERENCE_MAX, out, err);
    if (status != PV_OK) {
        return status;
    }
    if (out->len > start && out->ptr[out->len - 1] == '\n') {
        out->len--;
        if (out->len > start && out->ptr[out->len - 1] == '\r') {
            out->len--;
        }
    }
    struct pv_str got = {out->ptr + start, out->len - start};
    if (got.len > 0 && (memchr(got.ptr, '\0', got.len) || !pv_utf8_valid(got, NULL))) {
        return pv_err_set(err, PV_EINVAL, "%s does not hold UTF-8 text", path);
    }
    return PV_OK;
}

static int from_environment(struct pv_str name, struct pv_buf *out, struct pv_err *err)
{
    char key[256];
    if (name.len == 0 || pv_str_to_c(name, key, sizeof(key)) != PV_OK) {
        return pv_err_set(err, PV_EINVAL, "${env:…} needs the name of an environment variable");
    }
    const char *value = getenv(key);
    if (!value) {
        return pv_err_set(err, PV_ENOTFOUND, "the environment variable %s is not set", key);
    }
    if (!pv_utf8_valid(pv_str(value), NULL)) {
        return pv_err_set(err, PV_EINVAL, "the environment variable %s does not hold UTF-8 text",
                          key);
    }
    int status = pv_buf_c(out, value);
    return status == PV_OK ? PV_OK
                           : pv_err_set(err, status, "the environment variable %s: %s", key,
                                        pv_status_text(status));
}

static int from_credential(struct pv_str name, struct pv_buf *out, struct pv_err *err)
{
    if (name.len == 0 || name.ptr[0] == '.' || memchr(name.ptr, '/', name.len)) {
        return pv_err_set(err, PV_EINVAL, "${credential:…} needs the name of a credential");
    }
    const char *dir = getenv("CREDENTIALS_DIRECTORY");
    if (!dir || dir[0] == '\0') {
        return pv_err_set(err, PV_ENOTFOUND,
                          "there are no credentials: CREDENTIALS_DIRECTORY is not set (systemd "
                          "sets it for a service with LoadCredential=)");
    }
    return from_file(name, pv_str(dir), out, err);
}

/* `inner` is what stands between "${" and "}". */
static int one(struct pv_str inner, struct pv_str base_dir, struct pv_buf *out, struct pv_err *err)
{
    if (pv_str_starts(inner, "file:") && inner.len > 5) {
        return from_file((struct pv_str){inner.ptr + 5, inner.len - 5}, base_dir, out, err);
    }
    if (pv_str_starts(inner, "env:")) {
        return from_environment((struct pv_str){inner.ptr + 4, inner.len - 4}, out, err);
    }
    if (pv_str_starts(inner, "credential:")) {
        return from_credential((struct pv_str){inner.ptr + 11, inner.len - 11}, out, err);
    }
    return pv_err_set(err, PV_EINVAL,
                      "unknown reference \"${%.*s}\": expected ${file:PATH}, ${env:NAME} or "
                      "${credential:NAME} (write $${ for a plain ${)",
                      inner.len > 60 ? 60 : (int)inner.len, inner.ptr);
}

int pv_reference_expand(struct pv_str text, struct pv_str base_dir, struct pv_buf *out,
                        struct pv_err *err)
{
    size_t at = 0;
    while (at < text.len) {
        struct pv_str rest = {text.ptr + at, text.len - at};
        if (pv_str_starts(rest, "$${")) {
            pv_buf_c(out, "${");
            at += 3;
        } else if (pv_str_starts(rest, "${")) {
            const char *end = memchr(rest.ptr, '}', rest.len);
            if (!end) {
                return pv_err_set(err, PV_EINVAL,
                                  "\"${\" without its \"}\" (write $${ for a plain ${)");
            }
            struct pv_str inner = {rest.ptr + 2, (size_t)(end - rest.ptr) - 2};
            int status = one(inner, base_dir, out, err);
            if (status != PV_OK) {
                return status;
            }
            at += inner.len + 3;
        } else {
            pv_buf_char(out, rest.ptr[0]);
            at++;
        }
    }
    if (out->status != PV_OK) {
        return pv_err_set(err, out->status, "%s", pv_status_text(out->status));
    }
    return PV_OK;
}
