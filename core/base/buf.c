/* SPDX-License-Identifier: Apache-2.0 */
/* Growing buffers with a cap and a sticky status, and the reader of what they hold. */
#include "core/base/buf.h"

#include "core/base/alloc.h"

#include <stdio.h>
#include <string.h>

#define FIRST_SIZE 256

void pv_buf_init(struct pv_buf *buf, size_t cap)
{
    *buf = (struct pv_buf){.cap = cap < SIZE_MAX ? cap : SIZE_MAX - 1};
}

void pv_buf_done(struct pv_buf *buf)
{
    pv_free(buf->ptr);
    pv_buf_init(buf, buf->cap);
}

void pv_buf_clear(struct pv_buf *buf)
{
    buf->len = 0;
    buf->status = PV_OK;
    if (buf->ptr != NULL) {
        buf->ptr[0] = '\0';
    }
}

char *pv_buf_reserve(struct pv_buf *buf, size_t extra)
{
    if (buf->status != PV_OK) {
        return NULL;
    }
    if (extra > buf->cap - buf->len) {
        buf->status = PV_ETOOBIG;
        return NULL;
    }
    size_t need = buf->len + extra + 1;
    if (need > buf->size) {
        size_t size = buf->size > 0 ? buf->size : FIRST_SIZE;
        while (size < need && size <= buf->cap / 2) {
            size *= 2;
        }
        size = size < need ? buf->cap + 1 : size;
        char *ptr = pv_realloc(buf->ptr, size);
        if (ptr == NULL) {
            buf->status = PV_ENOMEM;
            return NULL;
        }
        buf->ptr = ptr;
        buf->size = size;
        buf->ptr[buf->len] = '\0';
    }
    return buf->ptr + buf->len;
}

int pv_buf_put(struct pv_buf *buf, const void *bytes, size_t len)
{
    char *at = pv_buf_reserve(buf, len);
    if (at == NULL) {
        return buf->status;
    }
    if (len > 0) {
        memcpy(at, bytes, len);
    }
    buf->len += len;
    buf->ptr[buf->len] = '\0';
    return PV_OK;
}

int pv_buf_str(struct pv_buf *buf, struct pv_str s)
{
    return pv_buf_put(buf, s.ptr, s.len);
}

int pv_buf_c(struct pv_buf *buf, const char *cstr)
{
    return pv_buf_put(buf, cstr, strlen(cstr));
}

int pv_buf_char(struct pv_buf *buf, char c)
{
    if (buf->status == PV_OK && buf->len < buf->cap && buf->len + 1 < buf->size) {
        buf->ptr[buf->len++] = c;
        buf->ptr[buf->len] = '\0';
        return PV_OK;
    }
    return pv_buf_put(buf, &c, 1);
}

int pv_buf_vprintf(struct pv_buf *buf, const char *fmt, va_list ap)
{
    if (pv_buf_reserve(buf, 0) == NULL) {
        return buf->status;
    }
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(buf->ptr + buf->len, buf->size - buf->len, fmt, ap);
    if (n < 0) {
        buf->status = PV_EINVAL;
    } else if (buf->len + (size_t)n >= buf->size) {
        char *at = pv_buf_reserve(buf, (size_t)n);
        if (at != NULL) {
            n = vsnprintf(at, (size_t)n + 1, fmt, again);
        }
    }
    va_end(again);
    if (buf->status != PV_OK) {
        buf->ptr[buf->len] = '\0';
        return buf->status;
    }
    buf->len += (size_t)n;
    return PV_OK;
}

int pv_buf_printf(struct pv_buf *buf, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int status = pv_buf_vprintf(buf, fmt, ap);
    va_end(ap);
    return status;
}

static void put_json_escape(struct pv_buf *buf, unsigned char c)
{
    switch (c) {
    case '"':
        pv_buf_c(buf, "\\\"");
        break;
    case '\\':
        pv_buf_c(buf, "\\\\");
        break;
    case '\b':
        pv_buf_c(buf, "\\b");
        break;
    case '\f':
        pv_buf_c(buf, "\\f");
        break;
    case '\n':
        pv_buf_c(buf, "\\n");
        break;
    case '\r':
        pv_buf_c(buf, "\\r");
        break;
    case '\t':
        pv_buf_c(buf, "\\t");
        break;
    default:
        pv_buf_printf(buf, "\\u%04x", c);
        break;
    }
}

/* Valid UTF-8, in runs that need no escape. */
static void put_json_valid(struct pv_buf *buf, struct pv_str s)
{
    size_t start = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c < 0x20 || c == '"' || c == '\\') {
            pv_buf_put(buf, s.ptr + start, i - start);
            put_json_escape(buf, c);
            start = i + 1;
        }
    }
    if (start < s.len) {
        pv_buf_put(buf, s.ptr + start, s.len - start);
    }
}

/* ASCII that needs no escape: most of what is written. */
static bool is_plain(struct pv_str s)
{
    bool plain = true;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        plain = plain && c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
    }
    return plain;
}

int pv_buf_json(struct pv_buf *buf, struct pv_str s)
{
    if (s.len <= SIZE_MAX - 2 && is_plain(s)) {
        char *at = pv_buf_reserve(buf, s.len + 2);
        if (at != NULL) {
            at[0] = '"';
            if (s.len > 0) {
                memcpy(at + 1, s.ptr, s.len);
            }
            at[s.len + 1] = '"';
            at[s.len + 2] = '\0';
            buf->len += s.len + 2;
        }
        return buf->status;
    }
    pv_buf_char(buf, '"');
    size_t bad = 0;
    while (buf->status == PV_OK && !pv_utf8_valid(s, &bad)) {
        put_json_valid(buf, (struct pv_str){s.ptr, bad});
        pv_buf_c(buf, "\xEF\xBF\xBD");
        s = (struct pv_str){s.ptr + bad + 1, s.len - bad - 1};
    }
    put_json_valid(buf, s);
    return pv_buf_char(buf, '"');
}

static int put_le(struct pv_buf *buf, uint64_t v, size_t bytes)
{
    uint8_t out[8];
    for (size_t i = 0; i < bytes; i++) {
        out[i] = (uint8_t)(v >> (8 * i));
    }
    return pv_buf_put(buf, out, bytes);
}

int pv_buf_u8(struct pv_buf *buf, uint8_t v)
{
    return put_le(buf, v, 1);
}

int pv_buf_u16(struct pv_buf *buf, uint16_t v)
{
    return put_le(buf, v, 2);
}

int pv_buf_u32(struct pv_buf *buf, uint32_t v)
{
    return put_le(buf, v, 4);
}

int pv_buf_u64(struct pv_buf *buf, uint64_t v)
{
    return put_le(buf, v, 8);
}

int pv_buf_lstr(struct pv_buf *buf, struct pv_str s)
{
    if (s.len > UINT32_MAX) {
        buf->status = buf->status != PV_OK ? buf->status : PV_ETOOBIG;
        return buf->status;
    }
    pv_buf_u32(buf, (uint32_t)s.len);
    return pv_buf_str(buf, s);
}

void pv_buf_consume(struct pv_buf *buf, size_t n)
{
    size_t drop = n < buf->len ? n : buf->len;
    if (drop == 0) {
        return;
    }
    memmove(buf->ptr, buf->ptr + drop, buf->len - drop);
    buf->len -= drop;
    buf->ptr[buf->len] = '\0';
}

struct pv_str pv_buf_view(const struct pv_buf *buf)
{
    return (struct pv_str){buf->ptr, buf->len};
}

int pv_buf_finish(struct pv_buf *buf, char **ret_ptr, size_t *ret_len)
{
    if (pv_buf_reserve(buf, 0) == NULL) {
        return buf->status;
    }
    buf->ptr[buf->len] = '\0';
    *ret_ptr = buf->ptr;
    if (ret_len != NULL) {
        *ret_len = buf->len;
    }
    pv_buf_init(buf, buf->cap);
    return PV_OK;
}

struct pv_reader pv_reader(struct pv_str s)
{
    return (struct pv_reader){.ptr = s.ptr, .left = s.len};
}

struct pv_str pv_read_bytes(struct pv_reader *r, size_t len)
{
    if (r->status != PV_OK || len > r->left) {
        r->status = PV_ESYNTAX;
        return (struct pv_str){NULL, 0};
    }
    struct pv_str bytes = {r->ptr, len};
    r->ptr = len > 0 ? r->ptr + len : r->ptr;
    r->left -= len;
    return bytes;
}

static uint64_t read_le(struct pv_reader *r, size_t bytes)
{
    struct pv_str in = pv_read_bytes(r, bytes);
    uint64_t v = 0;
    for (size_t i = in.len; i > 0; i--) {
        v = v << 8 | (uint8_t)in.ptr[i - 1];
    }
    return v;
}

uint8_t pv_read_u8(struct pv_reader *r)
{
    return (uint8_t)read_le(r, 1);
}

uint16_t pv_read_u16(struct pv_reader *r)
{
    return (uint16_t)read_le(r, 2);
}

uint32_t pv_read_u32(struct pv_reader *r)
{
    return (uint32_t)read_le(r, 4);
}

uint64_t pv_read_u64(struct pv_reader *r)
{
    return read_le(r, 8);
}

struct pv_str pv_read_lstr(struct pv_reader *r)
{
    uint32_t len = pv_read_u32(r);
    return pv_read_bytes(r, len);
}

int pv_reader_end(const struct pv_reader *r)
{
    return r->status == PV_OK && r->left > 0 ? PV_ESYNTAX : r->status;
}
