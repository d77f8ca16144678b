/* SPDX-License-Identifier: Apache-2.0 */
/* Coroutines: straight-line C that can wait without holding up the loop. Each runs on a stack of
 * its own, mapped with a guard page below it and kept for the next one. All of a pool's coroutines
 * run on the thread that resumes them. */
#ifndef PV_HOST_COROUTINE_H
#define PV_HOST_COROUTINE_H

#include "core/base/list.h"

/* Stacks are mapped, so what is never touched costs nothing; sanitizers need wider frames. */
#if defined(__SANITIZE_ADDRESS__)
#define PV_CO_STACK_BYTES ((size_t)1024 * 1024)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PV_CO_STACK_BYTES ((size_t)1024 * 1024)
#endif
#endif
#ifndef PV_CO_STACK_BYTES
#define PV_CO_STACK_BYTES ((size_t)256 * 1024)
#endif

struct pv_co;

struct pv_co_pool {
    struct pv_link idle; /* stacks that wait for their next coroutine */
    size_t idle_count;
    size_t max_idle;
    size_t stack_bytes;
};

/* stack_bytes is rounded up to whole pages; max_idle stacks are kept. */
void pv_co_pool_init(struct pv_co_pool *pool, size_t stack_bytes, size_t max_idle);
/* Unmaps the idle stacks. Every coroutine of the pool must have been freed. */
void pv_co_pool_done(struct pv_co_pool *pool);

/* A coroutine that will run fn(arg) from its first resume on. NULL when there is no memory for its
 * stack. arg is borrowed. */
struct pv_co *pv_co_new(struct pv_co_pool *pool, void (*fn)(void *arg), void *arg);
/* Runs it until it yields or returns. Not from inside a coroutine, and not when it is done. */
void pv_co_resume(struct pv_co *co);
/* From inside a coroutine: back to whoever resumed it. Returns at the next resume. */
void pv_co_yield(void);
/* The coroutine that is running on this thread, or NULL. */
struct pv_co *pv_co_self(void);
/* fn has returned. */
bool pv_co_done(const struct pv_co *co);
/* Gives its stack back. Only when it is done or was never resumed. NULL is legal. */
void pv_co_free(struct pv_co *co);

#endif
