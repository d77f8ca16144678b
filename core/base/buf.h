/* SPDX-License-Identifier: Apache-2.0 */
/* A growing byte buffer with a declared cap. Errors stick: append at will, check `status` (or the
 * result of pv_buf_finish) once at the end. One thread at a time. */
#ifndef PV_BASE_BUF_H
#define PV_BASE_BUF_H

#include "core/base/str.h"

struct pv_buf {
    char *ptr; /* owned; NUL-terminated whenever it is not NULL */
    size_t len;
    size_t size;
    size_t cap; /* most bytes that may be held */
    int status; /* 0, PV_ENOMEM or PV_ETOOBIG */
};

void pv_buf_init(struct pv_buf *buf, size_t cap);
void pv_buf_done(struct pv_buf *buf);  /* frees; the buffer can be initialised again */
void pv_buf_clear(struct pv_buf *buf); /* length 0, status 0; keeps the memory */

int pv_buf_put(struct pv_buf *buf, const void *bytes, size_t len);
int pv_buf_str(struct pv_buf *buf, struct pv_str s);
int pv_buf_c(struct pv_buf *buf, const char *cstr);
int pv_buf_char(struct pv_buf *buf, char c);
int pv_buf_printf(struct pv_buf *buf, const char *fmt, ...) PV_PRINTF(2, 3);
int pv_buf_vprintf(struct pv_buf *buf, const char *fmt, va_list ap);
/* A JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
int pv_buf_json(struct pv_buf *buf, struct pv_str s);
/* Little-endian integers, as used in frames and pinned plans. */
int pv_buf_u8(struct pv_buf *buf, uint8_t v);
int pv_buf_u16(struct pv_buf *buf, uint16_t v);
int pv_buf_u32(struct pv_buf *buf, uint32_t v);
int pv_buf_u64(struct pv_buf *buf, uint64_t v);
/* A u32 length and the bytes. */
int pv_buf_lstr(struct pv_buf *buf, struct pv_str s);
/* Drops the first n bytes. */
void pv_buf_consume(struct pv_buf *buf, size_t n);
/* Makes room for `extra` more bytes and returns where they go (NULL on failure, status set). The
 * caller adds what it wrote to buf->len. */
char *pv_buf_reserve(struct pv_buf *buf, size_t extra);

/* What is in it, borrowed until the next call. */
struct pv_str pv_buf_view(const struct pv_buf *buf);
/* Hands the memory to the caller (free with pv_free); "" rather than NULL when empty. */
int pv_buf_finish(struct pv_buf *buf, char **ret_ptr, size_t *ret_len) PV_MUST_CHECK;

/* Reads back what the put functions wrote. A read past the end sets `status` to PV_ESYNTAX and
 * gives zeros from then on, so that a decoder checks once. */
struct pv_reader {
    const char *ptr;
    size_t left;
    int status;
};

struct pv_reader pv_reader(struct pv_str s);
uint8_t pv_read_u8(struct pv_reader *r);
uint16_t pv_read_u16(struct pv_reader *r);
uint32_t pv_read_u32(struct pv_reader *r);
uint64_t pv_read_u64(struct pv_reader *r);
struct pv_str pv_read_bytes(struct pv_reader *r, size_t len);
struct pv_str pv_read_lstr(struct pv_reader *r);
/* 0 when everything was read without error and nothing is left. */
int pv_reader_end(const struct pv_reader *r) PV_MUST_CHECK;

#endif
