/* SPDX-License-Identifier: Apache-2.0 */
/* Writing frames. Each function appends one whole frame; what goes wrong sticks in the buffer.
 * The order of the fields is the order of docs/wire.md. Any thread. */
#include "core/wire/wire.h"

static void put_id(struct pv_buf *out, struct pv_id id)
{
    pv_buf_put(out, id.b, sizeof(id.b));
}

void pv_wire_put_hello(struct pv_buf *out, const struct pv_wire_hello *hello)
{
    size_t start = pv_frame_begin(out, PV_F_HELLO, 0);
    pv_buf_u32(out, hello->version);
    pv_buf_u32(out, hello->max_in_flight);
    pv_buf_u32(out, hello->describe);
    pv_buf_lstr(out, hello->instance);
    pv_buf_lstr(out, hello->module);
    pv_buf_lstr(out, hello->data_dir);
    pv_buf_lstr(out, hello->settings);
    pv_buf_lstr(out, hello->callback_base);
    pv_frame_end(out, start);
}

void pv_wire_put_step(struct pv_buf *out, uint64_t call, const struct pv_wire_step *step)
{
    size_t start = pv_frame_begin(out, PV_F_STEP, call);
    pv_buf_u32(out, step->slot);
    pv_buf_u8(out, step->kind);
    pv_buf_u8(out, step->is_action);
    pv_buf_u16(out, 0);
    pv_buf_u32(out, step->timeout_ms);
    pv_buf_u32(out, step->run);
    pv_buf_u32(out, step->attempt);
    pv_buf_u32(out, step->generation);
    put_id(out, step->op);
    put_id(out, step->service);
    pv_buf_lstr(out, step->operation);
    pv_buf_lstr(out, step->component);
    pv_buf_lstr(out, step->step);
    pv_buf_lstr(out, step->external_id);
    pv_buf_lstr(out, step->ref);
    pv_buf_lstr(out, step->input);
    pv_buf_lstr(out, step->state);
    pv_buf_lstr(out, step->signal_key);
    pv_buf_lstr(out, step->trace);
    pv_frame_end(out, start);
}

void pv_wire_put_query(struct pv_buf *out, uint64_t call, const struct pv_wire_query *query)
{
    size_t start = pv_frame_begin(out, PV_F_QUERY, call);
    pv_buf_u32(out, query->slot);
    pv_buf_u32(out, query->timeout_ms);
    pv_buf_u32(out, query->of_service);
    pv_buf_u32(out, query->generation);
    put_id(out, query->service);
    pv_buf_lstr(out, query->name);
    pv_buf_lstr(out, query->component);
    pv_buf_lstr(out, query->external_id);
    pv_buf_lstr(out, query->ref);
    pv_buf_lstr(out, query->input);
    pv_buf_lstr(out, query->state);
    pv_frame_end(out, start);
}

void pv_wire_put_outcome(struct pv_buf *out, uint64_t call, const struct pv_wire_outcome *outcome)
{
    size_t start = pv_frame_begin(out, PV_F_OUTCOME, call);
    pv_buf_u8(out, outcome->code);
    pv_buf_u8(out, outcome->touched);
    pv_buf_u8(out, outcome->state_changed);
    pv_buf_u8(out, 0);
    pv_buf_u64(out, (uint64_t)outcome->retry_after_ms);
    pv_buf_lstr(out, outcome->text);
    pv_buf_lstr(out, outcome->state);
    pv_buf_lstr(out, outcome->result);
    pv_frame_end(out, start);
}

void pv_wire_put_ask(struct pv_buf *out, uint64_t call, const struct pv_wire_ask *ask)
{
    size_t start = pv_frame_begin(out, PV_F_ASK, call);
    pv_buf_u32(out, ask->ask);
    pv_buf_u8(out, ask->kind);
    pv_buf_u8(out, ask->scope);
    pv_buf_u8(out, ask->flag);
    pv_buf_u8(out, 0);
    pv_buf_u64(out, ask->number);
    pv_buf_lstr(out, ask->name);
    pv_buf_lstr(out, ask->pool);
    pv_buf_lstr(out, ask->text);
    pv_frame_end(out, start);
}

void pv_wire_put_answer(struct pv_buf *out, uint64_t call, const struct pv_wire_answer *answer)
{
    size_t start = pv_frame_begin(out, PV_F_ANSWER, call);
    pv_buf_u32(out, answer->ask);
    pv_buf_u32(out, (uint32_t)answer->status);
    pv_buf_u64(out, answer->number);
    pv_buf_lstr(out, answer->value);
    pv_frame_end(out, start);
}

void pv_wire_put_lease(struct pv_buf *out, int64_t mono_ms)
{
    size_t start = pv_frame_begin(out, PV_F_LEASE, 0);
    pv_buf_u64(out, (uint64_t)mono_ms);
    pv_frame_end(out, start);
}

void pv_wire_put_empty(struct pv_buf *out, uint16_t type, uint64_t call)
{
    pv_frame_end(out, pv_frame_begin(out, type, call));
}

void pv_wire_put_text(struct pv_buf *out, uint16_t type, struct pv_str text)
{
    size_t start = pv_frame_begin(out, type, 0);
    pv_buf_lstr(out, text);
    pv_frame_end(out, start);
}

void pv_wire_put_progress(struct pv_buf *out, uint64_t call, int32_t percent, struct pv_str text)
{
    size_t start = pv_frame_begin(out, PV_F_PROGRESS, call);
    pv_buf_u32(out, (uint32_t)percent);
    pv_buf_lstr(out, text);
    pv_frame_end(out, start);
}

void pv_wire_put_log(struct pv_buf *out, uint64_t call, uint8_t level, struct pv_str text)
{
    size_t start = pv_frame_begin(out, PV_F_LOG, call);
    pv_buf_u8(out, level);
    pv_buf_lstr(out, text);
    pv_frame_end(out, start);
}
