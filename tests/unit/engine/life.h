/* SPDX-License-Identifier: Apache-2.0 */
/* The world that each of the engine's tests opens for itself, and the first things done in it. */
#ifndef PV_TESTS_UNIT_ENGINE_LIFE_H
#define PV_TESTS_UNIT_ENGINE_LIFE_H

#include "tests/unit/unit.h"

#include "tests/sim/world.h"

#include <string.h>

static struct world w;

static inline int open_world(void **state)
{
    (void)state;
    world_open(&w, 1);
    return 0;
}

static inline int close_world(void **state)
{
    (void)state;
    world_close(&w);
    return 0;
}

static inline size_t create(const char *id, const char *product)
{
    struct world_event event = {
        .external_id = id, .type = PV_OP_CREATE, .product = product, .plan_name = "basic"};
    return world_event(&w, &event);
}

/* Answers whatever is asked with OK until nothing is. */
static inline void all_ok(void)
{
    for (int i = 0; i < 100 && world_open_calls(&w) > 0; i++) {
        for (size_t c = 0; c < WORLD_CALLS; c++) {
            if (w.calls[c].call) {
                world_answer(&w, &w.calls[c], PV_OUT_OK);
            }
        }
    }
    assert_int_equal(world_open_calls(&w), 0);
}

static inline size_t created(const char *id, const char *product)
{
    size_t op = create(id, product);
    all_ok();
    assert_int_equal(world_op_state(&w, op), PV_OPS_DONE);
    return op;
}

static inline void answer_retry(struct world_call *call, int code, int64_t retry_ms)
{
    struct pv_wire_outcome outcome = {
        .code = (uint8_t)code, .touched = 1, .retry_after_ms = retry_ms, .text = PV_STR("not yet")};
    world_answer_with(&w, call, &outcome);
}

#endif
