/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the head of an HTTP/1.x request, and bodies that come in chunks. Strict: what a proxy might
 * read in another way than we do is refused. Pure functions over bytes; nothing is allocated. */
#ifndef PV_API_HTTPPARSE_H
#define PV_API_HTTPPARSE_H

#include "core/base/str.h"

#define PV_HTTP_HEAD_MAX 8192u    /* request line and header lines together */
#define PV_HTTP_FIELDS_MAX 100u   /* header lines */
#define PV_HTTP_TRAILERS_MAX 8192 /* of a chunked body: extensions and trailers, thrown away */

/* Why a request is refused. Texts are constants. */
struct pv_http_refusal {
    unsigned status; /* 0: it is not */
    const char *code;
    const char *sentence;
};

enum pv_http_parsed { PV_HTTP_MORE, PV_HTTP_DONE, PV_HTTP_REFUSED };

/* A head, as far as it has come. Offsets count from the first byte. Zeroed to begin with. */
struct pv_http_head {
    size_t at;      /* the line that is not complete yet; at the end: the first byte of the body */
    size_t scanned; /* no line ends between `at` and there */
    size_t line;    /* the request line */
    size_t fields;  /* the first header line */
    size_t target;  /* what is asked for, and its length */
    size_t target_len;
    size_t method_len;
    unsigned field_count;
    unsigned lengths; /* how often Content-Length was given */
    unsigned encodings;
    unsigned hosts;
    unsigned singles; /* bits of those headers that may come once only, and have */
    int minor;        /* of the version HTTP/1.minor */
    int64_t length;   /* of the body, when it is not chunked */
    bool has_line;
    bool chunked;
    bool close; /* Connection: close */
    bool keep;  /* Connection: keep-alive */
    bool expects_continue;
};

/* Looks at the bytes that have come, all of them from the first on; the same ones may be looked at
 * again with more behind them. */
enum pv_http_parsed pv_http_head_read(struct pv_http_head *head, struct pv_str bytes,
                                      struct pv_http_refusal *ret_refusal);
/* Of a complete head: its parts, borrowed from `bytes`. The path is as sent; an address before it
 * (http://host/path) is left out. */
struct pv_str pv_http_head_method(const struct pv_http_head *head, struct pv_str bytes);
void pv_http_head_target(const struct pv_http_head *head, struct pv_str bytes,
                         struct pv_str *ret_path, struct pv_str *ret_query);
/* The first header line of this name, or none. */
struct pv_str pv_http_head_field(const struct pv_http_head *head, struct pv_str bytes,
                                 const char *name);

/* Where a chunked body stands. Zeroed to begin with. */
struct pv_http_chunks {
    int state;
    unsigned digits;
    uint64_t left;
    size_t extra; /* bytes of extensions and trailers */
};

/* Goes on to the next piece of the body. MORE: *ret_used bytes were read, and *ret_data is what
 * they hold of the body (none: they were framing); call again while there are bytes. DONE: the body
 * ends with them. */
enum pv_http_parsed pv_http_chunks_read(struct pv_http_chunks *chunks, struct pv_str bytes,
                                        size_t *ret_used, struct pv_str *ret_data,
                                        struct pv_http_refusal *ret_refusal);

#endif
