/* SPDX-License-Identifier: Apache-2.0 */
/* Masking: at each position the longest secret that starts there is replaced. Texts are masked
 * before they are cut, so that no part of a secret is left at the end. */
#include "core/host/mask.h"

#include "core/base/alloc.h"
#include "core/base/secret.h"

#include <stdio.h>
#include <string.h>

#define TEXT_MAX (64u * 1024)
#define STARS "******"

void pv_mask_init(struct pv_mask *mask)
{
    *mask = (struct pv_mask){0};
}

void pv_mask_done(struct pv_mask *mask)
{
    for (size_t i = 0; i < mask->count; i++) {
        char *ptr = (char *)(uintptr_t)mask->items[i].ptr;
        pv_wipe(ptr, mask->items[i].len);
        pv_free(ptr);
    }
    pv_free(mask->items);
    pv_mask_init(mask);
}

static void insert(struct pv_mask *mask, struct pv_str secret)
{
    for (size_t i = 0; i < mask->count; i++) {
        if (pv_str_eq(mask->items[i], secret)) {
            return;
        }
    }
    if (mask->count == mask->size) {
        size_t size = mask->size > 0 ? mask->size * 2 : 8;
        struct pv_str *items = pv_reallocarray(mask->items, size, sizeof(*items));
        if (items == NULL) {
            mask->blind = true;
            return;
        }
        mask->items = items;
        mask->size = size;
    }
    char *copy = pv_malloc(secret.len);
    if (copy == NULL) {
        mask->blind = true;
        return;
    }
    memcpy(copy, secret.ptr, secret.len);
    size_t at = mask->count;
    while (at > 0 && mask->items[at - 1].len < secret.len) {
        mask->items[at] = mask->items[at - 1];
        at--;
    }
    mask->items[at] = (struct pv_str){copy, secret.len};
    mask->count++;
}

static bool unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           strchr("-._~", c) != NULL;
}

static void insert_written(struct pv_mask *mask, struct pv_str secret)
{
    struct pv_buf text;
    pv_buf_init(&text, secret.len * 6 + 2);
    pv_buf_json(&text, secret);
    if (text.status == 0 && text.len > 2) {
        insert(mask, (struct pv_str){text.ptr + 1, text.len - 2});
    }
    int status = text.status;
    pv_buf_clear(&text);
    for (size_t i = 0; i < secret.len; i++) {
        unsigned char c = (unsigned char)secret.ptr[i];
        if (c != 0 && unreserved(c)) {
            pv_buf_char(&text, (char)c);
        } else {
            pv_buf_printf(&text, "%%%02X", c);
        }
    }
    if (text.status == 0) {
        insert(mask, pv_buf_view(&text));
    }
    mask->blind = mask->blind || status != 0 || text.status != 0;
    pv_wipe(text.ptr, text.len);
    pv_buf_done(&text);
}

void pv_mask_add(struct pv_mask *mask, struct pv_str secret)
{
    if (secret.len == 0) {
        return;
    }
    insert(mask, secret);
    insert_written(mask, secret);
}

static size_t match(const struct pv_mask *mask, const char *at, size_t left)
{
    for (size_t i = 0; mask != NULL && i < mask->count; i++) {
        struct pv_str s = mask->items[i];
        if (s.len <= left && s.ptr[0] == at[0] && memcmp(s.ptr, at, s.len) == 0) {
            return s.len;
        }
    }
    return 0;
}

static size_t longest(const struct pv_mask *mask)
{
    return mask != NULL && mask->count > 0 ? mask->items[0].len : 0;
}

/* The bytes of the UTF-8 character at the start, or 0 when there is none. */
static size_t character(const char *at, size_t left)
{
    unsigned char c = (unsigned char)at[0];
    size_t len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    return len <= left && pv_utf8_valid((struct pv_str){at, len}, NULL) ? len : 0;
}

void pv_mask_text(const struct pv_mask *a, const struct pv_mask *b, struct pv_str text, size_t max,
                  struct pv_buf *out)
{
    if (a->blind || (b != NULL && b->blind)) {
        pv_buf_str(out, PV_STR("[withheld: out of memory]"));
        return;
    }
    if (text.len > TEXT_MAX) {
        size_t tail = longest(a) > longest(b) ? longest(a) : longest(b);
        text.len = tail < TEXT_MAX ? TEXT_MAX - tail : 0;
    }
    size_t end = out->len + max;
    size_t i = 0;
    while (i < text.len) {
        size_t left = text.len - i;
        size_t secret_a = match(a, text.ptr + i, left);
        size_t secret_b = match(b, text.ptr + i, left);
        size_t secret = secret_a > secret_b ? secret_a : secret_b;
        struct pv_str piece = PV_STR(STARS);
        size_t used = secret;
        if (secret == 0) {
            used = character(text.ptr + i, left);
            piece = used > 0 ? (struct pv_str){text.ptr + i, used} : PV_STR("?");
            used = used > 0 ? used : 1;
        }
        if (piece.len > end - out->len || pv_buf_str(out, piece) != 0) {
            return;
        }
        i += used;
    }
}

/* The longest end of text that is the beginning of a secret. */
static size_t begun(const struct pv_mask *mask, const char *text, size_t len)
{
    size_t most = 0;
    for (size_t i = 0; mask != NULL && i < mask->count; i++) {
        struct pv_str s = mask->items[i];
        for (size_t n = s.len - 1 < len ? s.len - 1 : len; n > most; n--) {
            if (memcmp(text + len - n, s.ptr, n) == 0) {
                most = n;
            }
        }
    }
    return most;
}

size_t pv_mask_uncut(const struct pv_mask *a, const struct pv_mask *b, const char *text,
                     size_t size)
{
    size_t len = strlen(text);
    if (len + 1 < size) {
        return len;
    }
    size_t of_a = begun(a, text, len);
    size_t of_b = begun(b, text, len);
    return len - (of_a > of_b ? of_a : of_b);
}
