/* SPDX-License-Identifier: Apache-2.0 */
/* Coroutines on ucontext. The control block sits at the top of its own stack's mapping, so one mmap
 * makes both:  [ guard page | stack … grows down | struct pv_co ]
 * AddressSanitizer, LeakSanitizer and Valgrind are told about the stacks. */
#include "core/host/coroutine.h"

#include <assert.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#endif
#ifdef HAVE_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#define HAVE_VALGRIND 1
#endif

struct pv_co {
    struct pv_link link; /* in pool->idle */
    struct pv_co_pool *pool;
    ucontext_t context;
    ucontext_t *resumer;
    void (*fn)(void *arg);
    void *arg;
    char *map; /* the whole mapping, guard page included */
    size_t map_bytes;
    char *stack; /* lowest usable byte */
    size_t stack_bytes;
    bool started;
    bool done;
    unsigned valgrind_id;
    void *fake_stack;        /* ASan's, of this coroutine while it is suspended */
    void *resumer_fake;      /* ASan's, of the resumer while this one runs */
    const void *resumer_low; /* the resumer's stack, as ASan sees it */
    size_t resumer_size;
};

static _Thread_local struct pv_co *running;

/* Kept out of line: a thread-local address must not be cached over a switch. */
static __attribute__((noinline)) void set_running(struct pv_co *co)
{
    running = co;
}

struct pv_co *pv_co_self(void)
{
    return running;
}

static void before_switch(void **save_fake, const void *low, size_t size)
{
#ifdef HAVE_ASAN
    __sanitizer_start_switch_fiber(save_fake, low, size);
#else
    (void)save_fake;
    (void)low;
    (void)size;
#endif
}

static void after_switch(void *fake, const void **ret_low, size_t *ret_size)
{
#ifdef HAVE_ASAN
    __sanitizer_finish_switch_fiber(fake, ret_low, ret_size);
#else
    (void)fake;
    (void)ret_low;
    (void)ret_size;
#endif
}

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

void pv_co_pool_init(struct pv_co_pool *pool, size_t stack_bytes, size_t max_idle)
{
    size_t page = page_bytes();
    *pool = (struct pv_co_pool){.max_idle = max_idle,
                                .stack_bytes = (stack_bytes + page - 1) / page * page};
    pv_list_init(&pool->idle);
}

static void unmap(struct pv_co *co)
{
#ifdef HAVE_VALGRIND
    VALGRIND_STACK_DEREGISTER(co->valgrind_id);
#endif
#ifdef HAVE_ASAN
    __lsan_unregister_root_region(co->stack, (size_t)(co->map + co->map_bytes - co->stack));
    __asan_unpoison_memory_region(co->stack, co->stack_bytes);
#endif
    munmap(co->map, co->map_bytes);
}

void pv_co_pool_done(struct pv_co_pool *pool)
{
    for (struct pv_link *l = pv_list_pop(&pool->idle); l != NULL; l = pv_list_pop(&pool->idle)) {
        unmap(PV_CONTAINER(l, struct pv_co, link));
    }
    pool->idle_count = 0;
}

static struct pv_co *map_new(struct pv_co_pool *pool)
{
    size_t page = page_bytes();
    size_t head = (sizeof(struct pv_co) + 63) / 64 * 64;
    size_t bytes = page + pool->stack_bytes;
    char *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (map == MAP_FAILED) {
        return NULL;
    }
    if (mprotect(map, page, PROT_NONE) != 0) {
        munmap(map, bytes);
        return NULL;
    }
    struct pv_co *co = (struct pv_co *)(void *)(map + bytes - head);
    *co = (struct pv_co){.pool = pool,
                         .map = map,
                         .map_bytes = bytes,
                         .stack = map + page,
                         .stack_bytes = pool->stack_bytes - head};
#ifdef HAVE_VALGRIND
    co->valgrind_id = VALGRIND_STACK_REGISTER(co->stack, co->stack + co->stack_bytes);
#endif
#ifdef HAVE_ASAN
    /* The control block is inside: it holds the only pointer to what the coroutine works on. */
    __lsan_register_root_region(co->stack, (size_t)(co->map + co->map_bytes - co->stack));
#endif
    return co;
}

struct pv_co *pv_co_new(struct pv_co_pool *pool, void (*fn)(void *arg), void *arg)
{
    struct pv_link *link = pv_list_pop(&pool->idle);
    struct pv_co *co = NULL;
    if (link != NULL) {
        pool->idle_count--;
        co = PV_CONTAINER(link, struct pv_co, link);
    } else {
        co = map_new(pool);
        if (co == NULL) {
            return NULL;
        }
    }
    co->fn = fn;
    co->arg = arg;
    co->started = false;
    co->done = false;
    co->fake_stack = NULL;
    return co;
}

static void entry(void)
{
    struct pv_co *co = running;
    after_switch(NULL, &co->resumer_low, &co->resumer_size);
    co->fn(co->arg);
    co->done = true;
    before_switch(NULL, co->resumer_low, co->resumer_size);
    swapcontext(&co->context, co->resumer);
    assert(false && "a coroutine that is done was resumed");
}

void pv_co_resume(struct pv_co *co)
{
    assert(running == NULL && !co->done);
    ucontext_t here;
    co->resumer = &here;
    if (!co->started) {
        co->started = true;
        getcontext(&co->context);
        co->context.uc_stack.ss_sp = co->stack;
        co->context.uc_stack.ss_size = co->stack_bytes;
        co->context.uc_link = NULL;
        makecontext(&co->context, entry, 0);
    }
    set_running(co);
    before_switch(&co->resumer_fake, co->stack, co->stack_bytes);
    swapcontext(&here, &co->context);
    after_switch(co->resumer_fake, NULL, NULL);
    set_running(NULL);
}

void pv_co_yield(void)
{
    struct pv_co *co = running;
    assert(co != NULL);
    before_switch(&co->fake_stack, co->resumer_low, co->resumer_size);
    swapcontext(&co->context, co->resumer);
    after_switch(co->fake_stack, &co->resumer_low, &co->resumer_size);
}

bool pv_co_done(const struct pv_co *co)
{
    return co->done;
}

void pv_co_free(struct pv_co *co)
{
    if (co == NULL) {
        return;
    }
    assert(co->done || !co->started);
    struct pv_co_pool *pool = co->pool;
    if (pool->idle_count >= pool->max_idle) {
        unmap(co);
        return;
    }
#ifdef HAVE_ASAN
    __asan_unpoison_memory_region(co->stack, co->stack_bytes);
#endif
    pool->idle_count++;
    pv_list_push(&pool->idle, &co->link);
}
