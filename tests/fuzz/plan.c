/* SPDX-License-Identifier: Apache-2.0 */
/* Pinned plans and cursors, as they come back from a store: the first byte says which. */
#include "core/engine/plan.h"
#include "core/engine/cursor.h"
#include "tests/fuzz/fuzz.h"

#define TEXT_MAX (1u << 20)

bool fuzz_seed(size_t n, struct pv_buf *out)
{
    if (n == 0) {
        struct pv_plan_component components[] = {
            {.name = PV_STR("dns"),
             .instance = PV_STR("pdns-1"),
             .plugin = PV_STR("dns"),
             .retry = {1000, 600000, 2}},
            {.name = PV_STR("support"), .instance = PV_STR("support"), .values = PV_STR("{}")},
        };
        struct pv_plan_step steps[] = {
            {.component = 0, .flags = PV_STEP_LOOKUP, .timeout_ms = 1000, .name = PV_STR("add")},
            {.component = 1, .flags = PV_STEP_UNDO, .name = PV_STR("make")},
        };
        struct pv_plan plan = {
            .components = components,
            .component_count = 2,
            .steps = steps,
            .step_count = 2,
            .deadline_ms = 86400000,
            .common = PV_STR("\"params\":{}"),
            .quotas = PV_STR("zones=3,backups=2"),
        };
        pv_buf_char(out, 'p');
        FUZZ_CHECK(pv_plan_encode(&plan, out) == PV_OK);
        return true;
    }
    if (n == 1) {
        struct pv_cursor cursor;
        pv_cursor_init(&cursor, 3);
        pv_buf_char(out, 'c');
        FUZZ_CHECK(pv_cursor_encode(&cursor, out) == PV_OK);
        return true;
    }
    return false;
}

static void check_plan(struct pv_str bytes)
{
    struct pv_arena arena;
    pv_arena_init(&arena);
    struct pv_plan plan = {0};
    if (pv_plan_decode(bytes, &arena, &plan) == PV_OK) {
        for (size_t i = 0; i < plan.step_count; i++) {
            FUZZ_CHECK(plan.steps[i].component < plan.component_count);
        }
        FUZZ_CHECK(pv_plan_quota(&plan, PV_STR("zones")) >= -1);
        struct pv_buf again;
        pv_buf_init(&again, TEXT_MAX);
        FUZZ_CHECK(pv_plan_encode(&plan, &again) == PV_OK);
        struct pv_plan same = {0};
        FUZZ_CHECK(pv_plan_decode(pv_buf_view(&again), &arena, &same) == PV_OK);
        FUZZ_CHECK(same.step_count == plan.step_count);
        FUZZ_CHECK(same.component_count == plan.component_count);
        pv_buf_done(&again);
    }
    pv_arena_done(&arena);
}

static void check_cursor(struct pv_str bytes)
{
    struct pv_cursor cursor;
    if (pv_cursor_decode(bytes, &cursor) != PV_OK) {
        return;
    }
    FUZZ_CHECK(cursor.count <= PV_MAX_STEPS);
    struct pv_buf again;
    pv_buf_init(&again, TEXT_MAX);
    FUZZ_CHECK(pv_cursor_encode(&cursor, &again) == PV_OK);
    struct pv_cursor same;
    FUZZ_CHECK(pv_cursor_decode(pv_buf_view(&again), &same) == PV_OK);
    FUZZ_CHECK(same.step == cursor.step && same.count == cursor.count && same.run == cursor.run);
    pv_buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct pv_str bytes = {(const char *)data + 1, size - 1};
    if (data[0] == 'c') {
        check_cursor(bytes);
    } else {
        check_plan(bytes);
    }
    return 0;
}
