/* SPDX-License-Identifier: Apache-2.0 */
/* Coroutines: order, stacks that are reused and guarded, many at once. */
#include "tests/unit/unit.h"

#include "core/base/alloc.h"
#include "core/host/coroutine.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct trail {
    char text[64];
    size_t len;
    struct pv_co *self;
};

static void note(struct trail *trail, char c)
{
    trail->text[trail->len++] = c;
    trail->text[trail->len] = '\0';
}

static void three_steps(void *arg)
{
    struct trail *trail = arg;
    trail->self = pv_co_self();
    note(trail, 'a');
    pv_co_yield();
    note(trail, 'b');
    pv_co_yield();
    note(trail, 'c');
}

static void runs_in_pieces(void **state)
{
    (void)state;
    struct pv_co_pool pool;
    pv_co_pool_init(&pool, PV_CO_STACK_BYTES, 4);
    struct trail one = {.len = 0};
    struct trail two = {.len = 0};
    struct pv_co *a = pv_co_new(&pool, three_steps, &one);
    struct pv_co *b = pv_co_new(&pool, three_steps, &two);
    assert_null(pv_co_self());
    pv_co_resume(a);
    assert_string_equal(one.text, "a");
    assert_ptr_equal(one.self, a);
    assert_null(pv_co_self());
    pv_co_resume(b);
    pv_co_resume(a);
    assert_string_equal(one.text, "ab");
    assert_string_equal(two.text, "a");
    pv_co_resume(a);
    assert_true(pv_co_done(a));
    assert_string_equal(one.text, "abc");
    assert_false(pv_co_done(b));
    pv_co_resume(b);
    pv_co_resume(b);
    assert_true(pv_co_done(b));
    pv_co_free(a);
    pv_co_free(b);
    pv_co_free(NULL);
    pv_co_pool_done(&pool);
}

static void stacks_are_reused(void **state)
{
    (void)state;
    struct pv_co_pool pool;
    pv_co_pool_init(&pool, PV_CO_STACK_BYTES, 1);
    struct trail trail = {.len = 0};
    struct pv_co *a = pv_co_new(&pool, three_steps, &trail);
    struct pv_co *never = pv_co_new(&pool, three_steps, &trail);
    for (int i = 0; i < 3; i++) {
        pv_co_resume(a);
    }
    pv_co_free(a);
    assert_int_equal(pool.idle_count, 1);
    pv_co_free(never); /* never started, and one more than is kept */
    assert_int_equal(pool.idle_count, 1);
    struct pv_co *b = pv_co_new(&pool, three_steps, &trail);
    assert_ptr_equal(a, b);
    assert_int_equal(pool.idle_count, 0);
    for (int i = 0; i < 3; i++) {
        pv_co_resume(b);
    }
    assert_string_equal(trail.text, "abcabc");
    pv_co_free(b);
    pv_co_pool_done(&pool);
}

/* Real work on the stack between yields: what is there stays there, and a leak that only a
 * suspended stack points to is no leak. */
static void uses_stack_and_heap(void *arg)
{
    char local[8192];
    char *heap = pv_malloc(1000);
    assert_non_null(heap);
    memset(local, *(int *)arg, sizeof(local));
    memset(heap, *(int *)arg, 1000);
    pv_co_yield();
    for (size_t i = 0; i < sizeof(local); i++) {
        assert_int_equal(local[i], *(int *)arg);
    }
    assert_int_equal(heap[999], *(int *)arg);
    pv_free(heap);
}

static void many_at_once(void **state)
{
    (void)state;
    enum { MANY = 2000 };
    static struct pv_co *co[MANY];
    static int number[MANY];
    struct pv_co_pool pool;
    pv_co_pool_init(&pool, PV_CO_STACK_BYTES, 100);
    for (int i = 0; i < MANY; i++) {
        number[i] = i % 100;
        co[i] = pv_co_new(&pool, uses_stack_and_heap, &number[i]);
        assert_non_null(co[i]);
        pv_co_resume(co[i]);
    }
    for (int i = MANY - 1; i >= 0; i--) {
        pv_co_resume(co[i]);
        assert_true(pv_co_done(co[i]));
        pv_co_free(co[i]);
    }
    assert_int_equal(pool.idle_count, 100);
    pv_co_pool_done(&pool);
}

static __attribute__((noinline)) int eat(volatile char *below, int depth)
{
    volatile char frame[1024];
    frame[0] = (char)depth;
    frame[1023] = below != NULL ? below[0] : 0;
    return depth < 1 << 30 ? eat(frame, depth + 1) + frame[1023] : 0;
}

static void overflows(void *arg)
{
    *(int *)arg = eat(NULL, 0);
}

/* Running over the end of the stack hits the guard page, never the neighbour's memory. */
static void overflow_hits_the_guard(void **state)
{
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL);
        close(STDERR_FILENO);
        struct pv_co_pool pool;
        pv_co_pool_init(&pool, PV_CO_STACK_BYTES, 1);
        int out = 0;
        pv_co_resume(pv_co_new(&pool, overflows, &out));
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
}

static void no_memory_for_a_stack(void **state)
{
    (void)state;
    struct pv_co_pool pool;
    pv_co_pool_init(&pool, (size_t)1 << 60, 1);
    assert_null(pv_co_new(&pool, three_steps, NULL));
    pv_co_pool_done(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_in_pieces),        cmocka_unit_test(stacks_are_reused),
        cmocka_unit_test(many_at_once),          cmocka_unit_test(overflow_hits_the_guard),
        cmocka_unit_test(no_memory_for_a_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
