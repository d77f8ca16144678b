/* SPDX-License-Identifier: Apache-2.0 */
/* Names and texts of status codes, and the sentences of struct pv_err. */
#include "core/base/status.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

const char *pv_status_name(int status)
{
    switch (status) {
    case PV_OK:
        return "ok";
#define X(code, value, name, text)                                                                 \
    case code:                                                                                     \
        return name;
        PV_STATUS_TABLE(X)
#undef X
    default:
        return "unknown";
    }
}

const char *pv_status_text(int status)
{
    switch (status) {
    case PV_OK:
        return "no error";
#define X(code, value, name, text)                                                                 \
    case code:                                                                                     \
        return text;
        PV_STATUS_TABLE(X)
#undef X
    default:
        return "unknown error";
    }
}

int pv_status_from_errno(int errnum)
{
    switch (errnum) {
    case 0:
        return PV_OK;
    case ENOMEM:
        return PV_ENOMEM;
    case EINVAL:
    case EDOM:
    case EBADF:
    case ENOTDIR:
    case EISDIR:
        return PV_EINVAL;
    case EILSEQ:
    case EPROTO:
    case EBADMSG:
        return PV_ESYNTAX;
    case E2BIG:
    case EFBIG:
    case EMSGSIZE:
    case ENAMETOOLONG:
    case EOVERFLOW:
    case ERANGE:
        return PV_ETOOBIG;
    case ENOENT:
    case ENXIO:
    case ENODEV:
    case ESRCH:
        return PV_ENOTFOUND;
    case EEXIST:
    case EADDRINUSE:
        return PV_EEXISTS;
    case ENOTEMPTY:
        return PV_ECONFLICT;
    case EACCES:
    case EPERM:
    case EROFS:
        return PV_EDENIED;
    case EBUSY:
    case EAGAIN:
    case EINTR:
    case ETXTBSY:
        return PV_EBUSY;
    case ETIMEDOUT:
        return PV_ETIMEOUT;
    case ECANCELED:
        return PV_ECANCELED;
    case EPIPE:
    case ECONNRESET:
    case ECONNABORTED:
    case ENOTCONN:
        return PV_ECLOSED;
    case ENOSPC:
    case EDQUOT:
        return PV_ENOSPACE;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
        return PV_EEXHAUSTED;
    case ENOSYS:
    case EOPNOTSUPP:
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
        return PV_EUNSUPPORTED;
    default:
        return PV_EIO;
    }
}

/* Drops the bytes of a character that vsnprintf cut in two. */
static void trim_partial_char(char *text)
{
    size_t len = strlen(text);
    size_t start = len;
    while (start > 0 && len - start < 3 && ((unsigned char)text[start - 1] & 0xC0U) == 0x80U) {
        start--;
    }
    if (start == 0) {
        return;
    }
    unsigned char lead = (unsigned char)text[start - 1];
    size_t want = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (want > len - start + 1) {
        text[start - 1] = '\0';
    }
}

/* Formats into out[size], cut on a character boundary. */
static void format_cut(char *out, size_t size, const char *fmt, va_list ap) PV_PRINTF(3, 0);

static void format_cut(char *out, size_t size, const char *fmt, va_list ap)
{
    out[0] = '\0';
    int n = vsnprintf(out, size, fmt, ap);
    if (n < 0 || (size_t)n >= size) {
        trim_partial_char(out);
    }
}

/* Copies `text` to the end of out[size], cut on a character boundary. */
static void append_cut(char *out, size_t size, const char *text)
{
    size_t used = strlen(out);
    size_t room = size - used - 1;
    size_t len = strlen(text);
    size_t n = len < room ? len : room;
    memcpy(out + used, text, n);
    out[used + n] = '\0';
    if (n < len) {
        trim_partial_char(out);
    }
}

int pv_err_setv(struct pv_err *err, int status, const char *fmt, va_list ap)
{
    if (err == NULL) {
        return status;
    }
    /* Formatted aside: an argument may be the text that stands in err now. */
    char text[sizeof(err->text)];
    format_cut(text, sizeof(text), fmt, ap);
    memcpy(err->text, text, sizeof(text));
    err->status = status;
    return status;
}

int pv_err_set(struct pv_err *err, int status, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    pv_err_setv(err, status, fmt, ap);
    va_end(ap);
    return status;
}

int pv_err_wrap(struct pv_err *err, const char *fmt, ...)
{
    if (err == NULL) {
        return PV_EINTERNAL;
    }
    char text[sizeof(err->text)];
    va_list ap;
    va_start(ap, fmt);
    format_cut(text, sizeof(text), fmt, ap);
    va_end(ap);
    append_cut(text, sizeof(text), ": ");
    append_cut(text, sizeof(text), err->text[0] != '\0' ? err->text : pv_status_text(err->status));
    memcpy(err->text, text, strlen(text) + 1);
    return err->status;
}
