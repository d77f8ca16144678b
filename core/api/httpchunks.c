/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies in chunks (RFC 9112, section 7.1). Extensions and trailers are thrown away, but only where
 * they have the form of such. */
#include "core/api/httpparse.h"

/* clang-format off */
/*
 *  SIZE ─┬────────────────CR─────▶ SIZE_END ─┬─LF──────────▶ DATA ─▶ DATA_CR ─▶ DATA_LF ─▶ SIZE
 *        └▶ SPACE ─▶ EXTENSION ─▶┘           └─LF, size 0─┐
 *            ┌───────────────────────────────────────────▼
 *            └ VALUE_LF ◀─ VALUE ◀── ":" ── NAME ◀── TRAILER ─CR─▶ LAST ─LF─▶ done
 */
/* clang-format on */
enum {
    SIZE,
    SPACE, /* behind the size; ";" must follow */
    EXTENSION,
    SIZE_END,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER,
    NAME,
    VALUE,
    VALUE_LF,
    LAST
};

static enum pv_http_parsed bad_chunk(struct pv_http_refusal *refusal)
{
    *refusal = (struct pv_http_refusal){400, "malformed", "the chunks of the body are malformed"};
    return PV_HTTP_REFUSED;
}

/* Counts a byte that is thrown away: of an extension or a trailer. */
static enum pv_http_parsed skip_byte(struct pv_http_chunks *chunks, char c,
                                     struct pv_http_refusal *refusal)
{
    chunks->extra++;
    if (chunks->extra > PV_HTTP_TRAILERS_MAX) {
        *refusal = (struct pv_http_refusal){431, "headers_too_large",
                                            "the trailers of the body are larger than 8 KiB"};
        return PV_HTTP_REFUSED;
    }
    return pv_is_control(c) ? bad_chunk(refusal) : PV_HTTP_MORE;
}

static enum pv_http_parsed space_byte(struct pv_http_chunks *chunks, char c,
                                      struct pv_http_refusal *refusal)
{
    if (c == ';') {
        chunks->state = EXTENSION;
        return PV_HTTP_MORE;
    }
    return c == ' ' || c == '\t' ? skip_byte(chunks, c, refusal) : bad_chunk(refusal);
}

static enum pv_http_parsed size_byte(struct pv_http_chunks *chunks, char c,
                                     struct pv_http_refusal *refusal)
{
    int digit = pv_hex_digit(c);
    if (digit >= 0 && chunks->digits < 15) {
        chunks->left = chunks->left * 16 + (unsigned)digit;
        chunks->digits++;
        return PV_HTTP_MORE;
    }
    if (digit >= 0 || chunks->digits == 0) {
        return bad_chunk(refusal);
    }
    chunks->state = c == '\r' ? SIZE_END : SPACE;
    return c == '\r' ? PV_HTTP_MORE : space_byte(chunks, c, refusal);
}

static enum pv_http_parsed text_byte(struct pv_http_chunks *chunks, char c, int after_cr,
                                     struct pv_http_refusal *refusal)
{
    if (c == '\r') {
        chunks->state = after_cr;
        return PV_HTTP_MORE;
    }
    return skip_byte(chunks, c, refusal);
}

/* A trailer has a name like any header: what has none may be a request to somebody else. */
static enum pv_http_parsed name_byte(struct pv_http_chunks *chunks, char c,
                                     struct pv_http_refusal *refusal)
{
    bool first = chunks->state == TRAILER;
    if (first && c == '\r') {
        chunks->state = LAST;
        return PV_HTTP_MORE;
    }
    if (!first && c == ':') {
        chunks->state = VALUE;
    } else if (pv_is_token(c)) {
        chunks->state = NAME;
    } else {
        return bad_chunk(refusal);
    }
    return skip_byte(chunks, c, refusal);
}

/* A byte of the framing. */
static enum pv_http_parsed frame_byte(struct pv_http_chunks *chunks, char c,
                                      struct pv_http_refusal *refusal)
{
    switch (chunks->state) {
    case SIZE:
        return size_byte(chunks, c, refusal);
    case SPACE:
        return space_byte(chunks, c, refusal);
    case EXTENSION:
        return text_byte(chunks, c, SIZE_END, refusal);
    case SIZE_END:
        chunks->state = chunks->left > 0 ? DATA : TRAILER;
        chunks->digits = 0;
        return c == '\n' ? PV_HTTP_MORE : bad_chunk(refusal);
    case DATA_CR:
        chunks->state = DATA_LF;
        return c == '\r' ? PV_HTTP_MORE : bad_chunk(refusal);
    case DATA_LF:
        chunks->state = SIZE;
        return c == '\n' ? PV_HTTP_MORE : bad_chunk(refusal);
    case TRAILER:
    case NAME:
        return name_byte(chunks, c, refusal);
    case VALUE:
        return text_byte(chunks, c, VALUE_LF, refusal);
    case VALUE_LF:
        chunks->state = TRAILER;
        return c == '\n' ? PV_HTTP_MORE : bad_chunk(refusal);
    default:
        return c == '\n' ? PV_HTTP_DONE : bad_chunk(refusal);
    }
}

enum pv_http_parsed pv_http_chunks_read(struct pv_http_chunks *chunks, struct pv_str bytes,
                                        size_t *ret_used, struct pv_str *ret_data,
                                        struct pv_http_refusal *ret_refusal)
{
    size_t used = 0;
    enum pv_http_parsed parsed = PV_HTTP_MORE;
    *ret_data = (struct pv_str){NULL, 0};
    while (used < bytes.len && parsed == PV_HTTP_MORE) {
        if (chunks->state == DATA) {
            size_t rest = bytes.len - used;
            size_t len = chunks->left < rest ? (size_t)chunks->left : rest;
            *ret_data = (struct pv_str){bytes.ptr + used, len};
            chunks->left -= len;
            chunks->state = chunks->left == 0 ? DATA_CR : DATA;
            *ret_used = used + len;
            return PV_HTTP_MORE;
        }
        parsed = frame_byte(chunks, bytes.ptr[used], ret_refusal);
        used++;
    }
    *ret_used = used;
    return parsed;
}
