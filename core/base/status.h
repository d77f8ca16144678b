/* SPDX-License-Identifier: Apache-2.0 */
/* Status codes and error text. A function that can fail returns 0 or one of these negative
 * codes; the sentence a person reads goes into the caller's struct pv_err. Any thread. */
#ifndef PV_BASE_STATUS_H
#define PV_BASE_STATUS_H

#include <stdarg.h>

#define PV_MUST_CHECK __attribute__((warn_unused_result))
#define PV_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* code, value, name on the wire and in JSON, text */
#define PV_STATUS_TABLE(X)                                                                         \
    X(PV_ENOMEM, -1, "no_memory", "out of memory")                                                 \
    X(PV_EINVAL, -2, "invalid", "invalid value")                                                   \
    X(PV_ESYNTAX, -3, "syntax", "malformed input")                                                 \
    X(PV_ETOOBIG, -4, "too_large", "larger than its limit")                                        \
    X(PV_ENOTFOUND, -5, "not_found", "not found")                                                  \
    X(PV_EEXISTS, -6, "exists", "already exists")                                                  \
    X(PV_ECONFLICT, -7, "conflict", "conflicts with the present state")                            \
    X(PV_EDENIED, -8, "denied", "not permitted")                                                   \
    X(PV_EFENCED, -9, "fenced", "the claim was lost")                                              \
    X(PV_EBUSY, -10, "busy", "busy, try again later")                                              \
    X(PV_ETIMEOUT, -11, "timeout", "timed out")                                                    \
    X(PV_ECANCELED, -12, "canceled", "canceled")                                                   \
    X(PV_ECLOSED, -13, "closed", "closed")                                                         \
    X(PV_EIO, -14, "io", "input/output error")                                                     \
    X(PV_ENOSPACE, -15, "no_space", "no space left on the device")                                 \
    X(PV_EEXHAUSTED, -16, "exhausted", "nothing left to give out")                                 \
    X(PV_ECRYPTO, -17, "crypto", "cannot be decrypted")                                            \
    X(PV_EUNSUPPORTED, -18, "unsupported", "not supported")                                        \
    X(PV_EINTERNAL, -19, "internal", "internal error")

enum pv_status {
    PV_OK = 0,
#define X(code, value, name, text) code = value,
    PV_STATUS_TABLE(X)
#undef X
};

/* "no_memory"; "ok" for 0; "unknown" for a code that is not in the table. Static storage. */
const char *pv_status_name(int status);
/* "out of memory". Static storage. */
const char *pv_status_text(int status);
/* The nearest status for an errno value (positive). */
int pv_status_from_errno(int errnum);

/* What went wrong, in a sentence. Zero-initialise; never needs freeing. The text is cut at its
 * end, on a character boundary, where it does not fit. */
struct pv_err {
    int status;
    char text[480];
};

/* Sets status and text; returns status, so that `return pv_err_set(err, …)` reads well.
 * err may be NULL. */
int pv_err_set(struct pv_err *err, int status, const char *fmt, ...) PV_PRINTF(3, 4);
int pv_err_setv(struct pv_err *err, int status, const char *fmt, va_list ap);
/* Puts "…: " in front of the text ("plugin pdns-1: create zone: HTTP 422"); returns err's status.
 */
int pv_err_wrap(struct pv_err *err, const char *fmt, ...) PV_PRINTF(2, 3);

#endif
