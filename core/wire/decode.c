/* SPDX-License-Identifier: Apache-2.0 */
/* Reading frames. Lengths and enumerations are checked, because either side may be broken; the
 * outputs are untouched when a frame is refused. Strings borrow from the frame. Any thread. */
#include "core/base/log.h"
#include "core/wire/page.h"
#include "core/wire/wire.h"

#include <string.h>

static struct pv_id read_id(struct pv_reader *r)
{
    struct pv_id id = {{0}};
    struct pv_str bytes = pv_read_bytes(r, sizeof(id.b));
    if (r->status == 0) {
        memcpy(id.b, bytes.ptr, sizeof(id.b));
    }
    return id;
}

/* 0 when all was read and every check held. */
static int verdict(const struct pv_reader *r, bool valid)
{
    if (pv_reader_end(r) != 0 || !valid) {
        return PV_ESYNTAX;
    }
    return 0;
}

int pv_wire_get_hello(const struct pv_frame *frame, struct pv_wire_hello *ret)
{
    struct pv_reader r = pv_reader(frame->payload);
    struct pv_wire_hello v = {0};
    v.version = pv_read_u32(&r);
    v.max_in_flight = pv_read_u32(&r);
    v.describe = pv_read_u32(&r);
    v.instance = pv_read_lstr(&r);
    v.module = pv_read_lstr(&r);
    v.data_dir = pv_read_lstr(&r);
    v.settings = pv_read_lstr(&r);
    v.callback_base = pv_read_lstr(&r);
    int status = verdict(&r, frame->type == PV_F_HELLO && v.describe <= 1);
    if (status == 0) {
        *ret = v;
    }
    return status;
}

int pv_wire_get_step(const struct pv_frame *frame, struct pv_wire_step *ret)
{
    struct pv_reader r = pv_reader(frame->payload);
    struct pv_wire_step v = {0};
    v.slot = pv_read_u32(&r);
    v.kind = pv_read_u8(&r);
    v.is_action = pv_read_u8(&r);
    v.reserved = pv_read_u16(&r);
    v.timeout_ms = pv_read_u32(&r);
    v.run = pv_read_u32(&r);
    v.attempt = pv_read_u32(&r);
    v.generation = pv_read_u32(&r);
    v.op = read_id(&r);
    v.service = read_id(&r);
    v.operation = pv_read_lstr(&r);
    v.component = pv_read_lstr(&r);
    v.step = pv_read_lstr(&r);
    v.external_id = pv_read_lstr(&r);
    v.ref = pv_read_lstr(&r);
    v.input = pv_read_lstr(&r);
    v.state = pv_read_lstr(&r);
    v.signal_key = pv_read_lstr(&r);
    v.trace = pv_read_lstr(&r);
    int status = verdict(&r, frame->type == PV_F_STEP && v.slot < PV_PAGE_SLOTS &&
                                 v.kind <= PV_CALL_UNDO && v.is_action <= 1 && v.reserved == 0);
    if (status == 0) {
        *ret = v;
    }
    return status;
}

int pv_wire_get_query(const struct pv_frame *frame, struct pv_wire_query *ret)
{
    struct pv_reader r = pv_reader(frame->payload);
    struct pv_wire_query v = {0};
    v.slot = pv_read_u32(&r);
    v.timeout_ms = pv_read_u32(&r);
    v.of_service = pv_read_u32(&r);
    v.generation = pv_read_u32(&r);
    v.service = read_id(&r);
    v.name = pv_read_lstr(&r);
    v.component = pv_read_lstr(&r);
    v.external_id = pv_read_lstr(&r);
    v.ref = pv_read_lstr(&r);
    v.input = pv_read_lstr(&r);
    v.state = pv_read_lstr(&r);
    int status =
        verdict(&r, frame->type == PV_F_QUERY && v.slot < PV_PAGE_SLOTS && v.of_service <= 1);
    if (status == 0) {
        *ret = v;
    }
    return status;
}

int pv_wire_get_outcome(const struct pv_frame *frame, struct pv_wire_outcome *ret)
{
    struct pv_reader r = pv_reader(frame->payload);
    struct pv_wire_outcome v = {0};
    v.code = pv_read_u8(&r);
    v.touched = pv_read_u8(&r);
    v.state_changed = pv_read_u8(&r);
    v.reserved = pv_read_u8(&r);
    v.retry_after_ms = (int64_t)pv_read_u64(&r);
    v.text = pv_read_lstr(&r);
    v.state = pv_read_lstr(&r);
    v.result = pv_read_lstr(&r);
    int status =
        verdict(&r, frame->type == PV_F_OUTCOME && v.code <= PV_OUT_NO_STEP && v.touched <= 1 &&
                        v.state_changed <= 1 && v.reserved == 0 && v.retry_after_ms >= -1);
    if (status == 0) {
        *ret = v;
    }
    return status;
}

int pv_wire_get_ask(const struct pv_frame *frame, struct pv_wire_ask *ret)
{
    struct pv_reader r = pv_reader(frame->payload);
    struct pv_wire_ask v = {0};
    v.ask = pv_read_u32(&r);
    v.kind = pv_read_u8(&r);
    v.scope = pv_read_u8(&r);
    v.flag = pv_read_u8(&r);
    v.reserved = pv_read_u8(&r);
    v.number = pv_read_u64(&r);
    v.name = pv_read_lstr(&r);
    v.pool = pv_read_lstr(&r);
    v.text = pv_read_lstr(&r);
    int status = verdict(&r, frame->type == PV_F_ASK && v.kind >= PV_ASK_KV_GET &&
                                 v.kind <= PV_ASK_SECRET_NEW && v.scope <= 1 && v.flag <= 1 &&
                                 v.reserved == 0);
    if (status == 0) {
        *ret = v;
    }
    return status;
}

int pv_wire_get_answer(const struct pv_frame *frame, struct pv_wire_answer *ret)
{
    struct pv_reader r = pv_reader(frame->payload);
    struct pv_wire_answer v = {0};
    v.ask = pv_read_u32(&r);
    v.status = (int32_t)pv_read_u32(&r);
    v.number = pv_read_u64(&r);
    v.value = pv_read_lstr(&r);
    int status = verdict(&r, frame->type == PV_F_ANSWER && v.status <= 0);
    if (status == 0) {
        *ret = v;
    }
    return status;
}

int pv_wire_get_lease(const struct pv_frame *frame, int64_t *ret_mono_ms)
{
    struct pv_reader r = pv_reader(frame->payload);
    int64_t mono_ms = (int64_t)pv_read_u64(&r);
    int status = verdict(&r, frame->type == PV_F_LEASE && mono_ms >= 0);
    if (status == 0) {
        *ret_mono_ms = mono_ms;
    }
    return status;
}

int pv_wire_get_text(const struct pv_frame *frame, struct pv_str *ret_text)
{
    struct pv_reader r = pv_reader(frame->payload);
    struct pv_str text = pv_read_lstr(&r);
    int status = verdict(&r, frame->type == PV_F_READY || frame->type == PV_F_FAULT);
    if (status == 0) {
        *ret_text = text;
    }
    return status;
}

int pv_wire_get_progress(const struct pv_frame *frame, int32_t *ret_percent,
                         struct pv_str *ret_text)
{
    struct pv_reader r = pv_reader(frame->payload);
    int32_t percent = (int32_t)pv_read_u32(&r);
    struct pv_str text = pv_read_lstr(&r);
    int status = verdict(&r, frame->type == PV_F_PROGRESS && percent >= -1 && percent <= 100);
    if (status == 0) {
        *ret_percent = percent;
        *ret_text = text;
    }
    return status;
}

int pv_wire_get_log(const struct pv_frame *frame, uint8_t *ret_level, struct pv_str *ret_text)
{
    struct pv_reader r = pv_reader(frame->payload);
    uint8_t level = pv_read_u8(&r);
    struct pv_str text = pv_read_lstr(&r);
    int status = verdict(&r, frame->type == PV_F_LOG && level <= PV_ERROR);
    if (status == 0) {
        *ret_level = level;
        *ret_text = text;
    }
    return status;
}
