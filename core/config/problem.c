/* SPDX-License-Identifier: Apache-2.0 */
/* The list of problems and how a problem reads as a line. */
#include "core/config/problem.h"

#include <stdio.h>
#include <string.h>

#define MAX_TEXT 2048

void pv_problems_init(struct pv_problems *problems)
{
    pv_arena_init(&problems->arena);
    problems->count = 0; /* what stands in items behind it is never looked at */
    problems->errors = 0;
    problems->dropped = 0;
    problems->status = PV_OK;
}

void pv_problems_done(struct pv_problems *problems)
{
    pv_arena_done(&problems->arena);
    pv_problems_init(problems);
}

/* The same place is looked at once for each plan and component: say it once. */
static bool known(const struct pv_problems *problems, const struct pv_place *place,
                  struct pv_str path, struct pv_str text)
{
    for (size_t i = 0; i < problems->count; i++) {
        const struct pv_problem *at = &problems->items[i];
        if (pv_str_eq(at->path, path) && pv_str_eq(at->text, text) &&
            at->line == (place ? place->line : 0) && at->column == (place ? place->column : 0) &&
            pv_str_eq(at->file, place ? place->file : (struct pv_str){NULL, 0})) {
            return true;
        }
    }
    return false;
}

static void add(struct pv_problems *problems, const struct pv_place *place, struct pv_str path,
                const char *code, bool warning, const char *fmt, va_list ap)
{
    char text[MAX_TEXT];
    int len = vsnprintf(text, sizeof(text), fmt, ap);
    if (len < 0) {
        problems->status = PV_ENOMEM;
        return;
    }
    struct pv_str view = {text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1};
    size_t bad = 0;
    if (!pv_utf8_valid(view, &bad)) {
        view.len = bad; /* cut on a character boundary */
    }
    if (known(problems, place, path, view)) {
        return;
    }
    if (!warning) {
        problems->errors++;
    }
    if (problems->count == PV_MAX_PROBLEMS) {
        problems->dropped++;
        return;
    }
    struct pv_problem problem = {
        .path = pv_arena_copy(&problems->arena, path),
        .text = pv_arena_copy(&problems->arena, view),
        .code = code,
        .warning = warning,
    };
    if (place && place->file.ptr) {
        problem.file = pv_arena_copy(&problems->arena, place->file);
        problem.line = place->line;
        problem.column = place->column;
    }
    if (!problem.path.ptr || !problem.text.ptr || (place && place->file.ptr && !problem.file.ptr)) {
        problems->status = PV_ENOMEM;
        return;
    }
    problems->items[problems->count++] = problem;
}

void pv_problem_add(struct pv_problems *problems, const struct pv_place *place, struct pv_str path,
                    const char *code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add(problems, place, path, code, false, fmt, ap);
    va_end(ap);
}

void pv_problem_warn(struct pv_problems *problems, const struct pv_place *place, struct pv_str path,
                     const char *code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add(problems, place, path, code, true, fmt, ap);
    va_end(ap);
}

int pv_problems_status(const struct pv_problems *problems)
{
    if (problems->status != PV_OK) {
        return problems->status;
    }
    return problems->errors > 0 ? PV_EINVAL : PV_OK;
}

int pv_problem_print(const struct pv_problem *problem, struct pv_buf *out)
{
    if (problem->file.ptr) {
        pv_buf_str(out, problem->file);
        if (problem->line > 0) {
            pv_buf_printf(out, ":%u:%u", problem->line, problem->column);
        }
        pv_buf_c(out, ": ");
    }
    if (problem->path.len > 0) {
        pv_buf_str(out, problem->path);
        pv_buf_c(out, ": ");
    }
    if (problem->warning) {
        pv_buf_c(out, "warning: ");
    }
    return pv_buf_str(out, problem->text);
}

int pv_problems_print(const struct pv_problems *problems, struct pv_buf *out)
{
    for (size_t i = 0; i < problems->count; i++) {
        pv_problem_print(&problems->items[i], out);
        pv_buf_char(out, '\n');
    }
    if (problems->dropped > 0) {
        pv_buf_printf(out, "and %zu more\n", problems->dropped);
    }
    return out->status;
}
