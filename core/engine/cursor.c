/* SPDX-License-Identifier: Apache-2.0 */
/* Cursor: marks of the steps and the walk over them, forward and back. */
#include "core/engine/cursor.h"

#include <string.h>

#define CURSOR_VERSION 1

void pv_cursor_init(struct pv_cursor *cursor, size_t count)
{
    memset(cursor, 0, sizeof(*cursor));
    cursor->run = 1;
    cursor->kind = PV_CALL_RUN;
    cursor->rested_tries = PV_NO_TRIES;
    cursor->count = count;
    memset(cursor->marks, PV_MARK_OPEN, count);
}

int pv_cursor_encode(const struct pv_cursor *cursor, struct pv_buf *out)
{
    pv_buf_u8(out, CURSOR_VERSION);
    pv_buf_u32(out, cursor->run);
    pv_buf_u8(out, cursor->undoing ? 1 : 0);
    pv_buf_u8(out, cursor->kind);
    pv_buf_u16(out, cursor->step);
    pv_buf_u16(out, cursor->crashes);
    pv_buf_u8(out, cursor->end_state);
    pv_buf_u16(out, cursor->passes);
    pv_buf_u64(out, (uint64_t)cursor->last_send_ms);
    pv_buf_u32(out, cursor->rested_tries);
    return pv_buf_lstr(out, (struct pv_str){cursor->marks, cursor->count});
}

int pv_cursor_decode(struct pv_str bytes, struct pv_cursor *ret)
{
    struct pv_reader r = pv_reader(bytes);
    struct pv_cursor c = {0};
    uint8_t version = pv_read_u8(&r);
    c.run = pv_read_u32(&r);
    c.undoing = pv_read_u8(&r) != 0;
    c.kind = pv_read_u8(&r);
    c.step = pv_read_u16(&r);
    c.crashes = pv_read_u16(&r);
    c.end_state = pv_read_u8(&r);
    c.passes = pv_read_u16(&r);
    c.last_send_ms = (int64_t)pv_read_u64(&r);
    c.rested_tries = pv_read_u32(&r);
    struct pv_str marks = pv_read_lstr(&r);
    int status = pv_reader_end(&r);
    if (status) {
        return status;
    }
    if (version != CURSOR_VERSION || marks.len > PV_MAX_STEPS ||
        (marks.len > 0 && c.step >= marks.len)) {
        return PV_ESYNTAX;
    }
    c.count = marks.len;
    if (marks.len > 0) {
        memcpy(c.marks, marks.ptr, marks.len);
    }
    *ret = c;
    return PV_OK;
}

void pv_cursor_remark(struct pv_cursor *cursor, char from, char to)
{
    for (size_t i = 0; i < cursor->count; i++) {
        cursor->marks[i] = cursor->marks[i] == from ? to : cursor->marks[i];
    }
}

void pv_cursor_turn_back(struct pv_cursor *cursor, int end_state)
{
    cursor->undoing = true;
    cursor->end_state = (uint8_t)end_state;
    cursor->crashes = 0;
    pv_cursor_remark(cursor, PV_MARK_LATER, PV_MARK_OPEN);
}

bool pv_cursor_has(const struct pv_cursor *cursor, char mark)
{
    return cursor->count > 0 && memchr(cursor->marks, mark, cursor->count) != NULL;
}

static void go_to(struct pv_cursor *cursor, size_t step, uint8_t kind)
{
    cursor->step = (uint16_t)step;
    cursor->kind = kind;
    cursor->crashes = 0;
    cursor->last_send_ms = 0;
}

/* A step of this component is left for a later pass. */
static bool put_off(const struct pv_cursor *cursor, const struct pv_plan *plan, uint8_t component)
{
    for (size_t i = 0; i < cursor->count; i++) {
        if (plan->steps[i].component == component && cursor->marks[i] == PV_MARK_LATER) {
            return true;
        }
    }
    return false;
}

static bool next_forward(struct pv_cursor *cursor, const struct pv_plan *plan)
{
    for (size_t i = 0; i < cursor->count; i++) {
        char mark = cursor->marks[i];
        if ((mark != PV_MARK_OPEN && mark != PV_MARK_UNKNOWN) ||
            put_off(cursor, plan, plan->steps[i].component)) {
            continue;
        }
        if (i != cursor->step) {
            go_to(cursor, i, PV_CALL_RUN);
        } else if (cursor->kind == PV_CALL_UNDO) {
            cursor->kind = PV_CALL_RUN;
        }
        return true;
    }
    return false;
}

static bool next_back(struct pv_cursor *cursor, const struct pv_plan *plan)
{
    for (size_t i = cursor->count; i-- > 0;) {
        char mark = cursor->marks[i];
        if (mark != PV_MARK_DONE && mark != PV_MARK_UNKNOWN) {
            continue;
        }
        uint8_t flags = plan->steps[i].flags;
        if (!(flags & PV_STEP_UNDO)) {
            cursor->marks[i] = PV_MARK_UNDONE;
            continue;
        }
        /* What is unknown is looked up first: its undo may need what the look-up finds. */
        bool look = mark == PV_MARK_UNKNOWN && (flags & PV_STEP_LOOKUP);
        uint8_t kind = look ? PV_CALL_LOOKUP : PV_CALL_UNDO;
        if (i != cursor->step) {
            go_to(cursor, i, kind);
        } else {
            cursor->kind = kind;
        }
        return true;
    }
    return false;
}

bool pv_cursor_next(struct pv_cursor *cursor, const struct pv_plan *plan)
{
    return cursor->undoing ? next_back(cursor, plan) : next_forward(cursor, plan);
}

bool pv_cursor_left_elsewhere(const struct pv_cursor *cursor, const struct pv_plan *plan,
                              uint8_t component)
{
    for (size_t i = 0; i < cursor->count; i++) {
        bool left = cursor->marks[i] == PV_MARK_OPEN || cursor->marks[i] == PV_MARK_LATER;
        if (left && plan->steps[i].component != component) {
            return true;
        }
    }
    return false;
}
