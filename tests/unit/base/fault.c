/* SPDX-License-Identifier: Apache-2.0 */
/* Crash points, passed by a child process. */
#include "tests/unit/unit.h"

#include "core/base/fault.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/provost-fault-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const points[] = {"one", "two", "gone"};
    for (size_t i = 0; i < PV_COUNT(points); i++) {
        char path[100];
        snprintf(path, sizeof(path), "%s/f.%s", folder, points[i]);
        unlink(path);
    }
    return rmdir(folder);
}

/* Passes "one" and "two" in turn ten times each under these faults. Returns what killed it, or the
 * negative number of rounds it made. */
static int run_under(const char *faults)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char text[300];
        snprintf(text, sizeof(text), "%s/f:%s", folder, faults);
        setenv("PROVOST_FAULTS", text, 1);
        for (int i = 0; i < 10; i++) {
            PV_FAULT("one");
            PV_FAULT("two");
            if (write(ends[1], "x", 1) != 1) {
                _exit(2);
            }
        }
        _exit(0);
    }
    close(ends[1]);
    char rounds[16];
    int made = 0;
    ssize_t n = 1;
    while (n > 0) {
        n = read(ends[0], rounds, sizeof(rounds));
        made += n > 0 ? (int)n : 0;
    }
    close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) {
        assert_int_equal(WTERMSIG(status), SIGKILL);
        return made;
    }
    assert_int_equal(WEXITSTATUS(status), 0);
    return -made;
}

#ifdef PV_FAULTS

static void a_point_kills_once(void **state)
{
    (void)state;
    assert_int_equal(run_under("one=4"), 3);
    assert_int_equal(run_under("one=4"), -10);
    assert_int_equal(run_under("one=5,two=2"), 1);
    assert_int_equal(run_under("two=7"), -10);
}

static void what_is_not_named_does_nothing(void **state)
{
    (void)state;
    assert_int_equal(run_under("gone=1"), -10);
    assert_int_equal(run_under(""), -10);
    assert_int_equal(run_under("one"), -10);
    assert_int_equal(run_under("one=x,,=1,"), -10);
    assert_int_equal(run_under("one=0"), -10);
}

#else

static void points_are_not_compiled_in(void **state)
{
    (void)state;
    assert_int_equal(run_under("one=1"), -10);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef PV_FAULTS
        cmocka_unit_test(a_point_kills_once),
        cmocka_unit_test(what_is_not_named_does_nothing),
#else
        cmocka_unit_test(points_are_not_compiled_in),
#endif
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
