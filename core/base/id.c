/* SPDX-License-Identifier: Apache-2.0 */
/* Identifiers and base 32. In text an id is one number of 130 bits whose top two are zero, so the
 * first character is 0 to 7 and texts of one prefix sort as the bytes do. */
#include "core/base/id.h"

#include <string.h>

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

#define ID_CHARS 26

void pv_ids_new(const struct pv_clock *clock, const struct pv_rng *rng, struct pv_id *ret_ids,
                size_t count)
{
    int64_t wall = pv_wall_ms(clock);
    uint64_t ms = wall > 0 ? (uint64_t)wall : 0;
    rng->fill(rng->ctx, ret_ids, count * sizeof(*ret_ids));
    for (size_t n = 0; n < count; n++) {
        uint8_t *b = ret_ids[n].b;
        for (int i = 0; i < 6; i++) {
            b[i] = (uint8_t)(ms >> (40 - 8 * i));
        }
        b[6] = (uint8_t)((b[6] & 0x0F) | 0x70); /* version 7 */
        b[8] = (uint8_t)((b[8] & 0x3F) | 0x80); /* the RFC's variant */
    }
}

struct pv_id pv_id_new(const struct pv_clock *clock, const struct pv_rng *rng)
{
    struct pv_id id;
    pv_ids_new(clock, rng, &id, 1);
    return id;
}

bool pv_id_eq(struct pv_id a, struct pv_id b)
{
    return memcmp(a.b, b.b, sizeof(a.b)) == 0;
}

bool pv_id_is_zero(struct pv_id id)
{
    return pv_id_eq(id, (struct pv_id){{0}});
}

int pv_id_cmp(struct pv_id a, struct pv_id b)
{
    return memcmp(a.b, b.b, sizeof(a.b));
}

/* Eight bytes, the most significant first. */
static uint64_t half(const uint8_t *bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

char *pv_id_format(const char *prefix, struct pv_id id, char out[PV_ID_TEXT])
{
    size_t n = strnlen(prefix, PV_ID_TEXT - ID_CHARS - 2);
    memcpy(out, prefix, n);
    out[n++] = '_';
    uint64_t high = half(id.b);
    uint64_t low = half(id.b + 8);
    for (size_t i = ID_CHARS; i-- > 0;) {
        out[n + i] = alphabet[low & 31U];
        low = low >> 5 | high << 59;
        high >>= 5;
    }
    out[n + ID_CHARS] = '\0';
    return out;
}

int pv_id_parse(const char *prefix, struct pv_str text, struct pv_id *ret_id)
{
    size_t n = strlen(prefix);
    if (text.len != n + 1 + ID_CHARS || !pv_str_starts(text, prefix) || text.ptr[n] != '_') {
        return PV_EINVAL;
    }
    struct pv_id id = {{0}};
    for (unsigned i = 0; i < ID_CHARS; i++) {
        char c = text.ptr[n + 1 + i];
        const char *found = c != '\0' ? strchr(alphabet, c) : NULL;
        if (found == NULL) {
            return PV_EINVAL;
        }
        unsigned digit = (unsigned)(found - alphabet);
        if (i == 0 && digit > 7) {
            return PV_EINVAL;
        }
        for (unsigned bit = 0; bit < 5; bit++) {
            unsigned at = 5 * i + bit;
            if (at >= 2 && (digit >> (4 - bit) & 1U) != 0) {
                id.b[(at - 2) / 8] |= (uint8_t)(1U << (7 - (at - 2) % 8));
            }
        }
    }
    *ret_id = id;
    return PV_OK;
}

void pv_base32(const uint8_t *bytes, size_t len, char *out)
{
    unsigned held = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < len; i++) {
        held = (held << 8 | bytes[i]) & 0xFFFU; /* at most 4 bits were left over */
        bits += 8;
        while (bits >= 5) {
            bits -= 5;
            *out++ = alphabet[held >> bits & 31U];
        }
    }
    if (bits > 0) {
        *out++ = alphabet[held << (5 - bits) & 31U];
    }
    *out = '\0';
}
