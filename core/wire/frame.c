/* SPDX-License-Identifier: Apache-2.0 */
/* Frames as such: the fixed header in front of every payload, and finding the next whole frame in
 * a stream of bytes. Any thread; a frame's payload borrows from the bytes it was found in. */
#include "core/wire/wire.h"

static uint32_t get_u32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static bool known_type(uint16_t type)
{
    switch (type) {
    case PV_F_HELLO:
    case PV_F_STEP:
    case PV_F_QUERY:
    case PV_F_CANCEL:
    case PV_F_ANSWER:
    case PV_F_LEASE:
    case PV_F_STOP:
    case PV_F_READY:
    case PV_F_FAULT:
    case PV_F_OUTCOME:
    case PV_F_ASK:
    case PV_F_PROGRESS:
    case PV_F_LOG:
        return true;
    default:
        return false;
    }
}

size_t pv_frame_begin(struct pv_buf *out, uint16_t type, uint64_t call)
{
    size_t start = out->len;
    pv_buf_u32(out, 0);
    pv_buf_u16(out, type);
    pv_buf_u16(out, 0);
    pv_buf_u64(out, call);
    return start;
}

void pv_frame_end(struct pv_buf *out, size_t start)
{
    if (out->status != 0) {
        return;
    }
    size_t len = out->len - start - PV_FRAME_HEADER;
    if (len > PV_FRAME_MAX) {
        out->status = PV_ETOOBIG;
        return;
    }
    for (size_t i = 0; i < 4; i++) {
        out->ptr[start + i] = (char)(unsigned char)(len >> (8 * i));
    }
}

int pv_frame_next(struct pv_str in, struct pv_frame *ret_frame, size_t *ret_used)
{
    if (in.len < PV_FRAME_HEADER) {
        return 0;
    }
    const unsigned char *p = (const unsigned char *)in.ptr;
    uint32_t len = get_u32(p);
    uint16_t type = (uint16_t)(p[4] | p[5] << 8);
    uint16_t reserved = (uint16_t)(p[6] | p[7] << 8);
    if (len > PV_FRAME_MAX) {
        return PV_ETOOBIG;
    }
    if (reserved != 0 || !known_type(type)) {
        return PV_ESYNTAX;
    }
    if (in.len - PV_FRAME_HEADER < len) {
        return 0;
    }
    ret_frame->type = type;
    ret_frame->call = (uint64_t)get_u32(p + 8) | (uint64_t)get_u32(p + 12) << 32;
    ret_frame->payload = (struct pv_str){in.ptr + PV_FRAME_HEADER, len};
    *ret_used = PV_FRAME_HEADER + (size_t)len;
    return 1;
}
