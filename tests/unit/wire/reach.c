/* SPDX-License-Identifier: Apache-2.0 */
/* A reach is what its parts say, also after it went through the memory file; and what does not fit
 * is refused. */
#include "core/wire/reach.h"

#include "core/base/hash.h"
#include "tests/unit/unit.h"

#define S PV_STR

static const struct pv_str some[] = {{"/etc/a", 6}, {"/etc/b", 6}, {"/srv/c", 6}, {"/bin/d", 6}};

static void each_kind_has_its_place(void **state)
{
    (void)state;
    static const char *const words[] = {"/opt/host.py", "--loud", NULL};
    const struct pv_strs granted[PV_REACH_KINDS] = {
        [PV_REACH_READ] = {some, 2},
        [PV_REACH_WRITE] = {some + 2, 1},
        [PV_REACH_EXEC] = {some + 3, 1},
        [PV_REACH_UNIX_SOCKETS] = {some, 1},
    };
    struct pv_reach_parts parts = {.required = true,
                                   .confined = true,
                                   .data_dir = S("/var/lib/x"),
                                   .module = S("/opt/host.py"),
                                   .command = words,
                                   .granted = granted};
    struct pv_reach reach;
    struct pv_err err = {0};
    assert_int_equal(pv_reach_make(&parts, &reach, &err), 0);
    struct pv_buf bytes;
    pv_buf_init(&bytes, PV_REACH_BYTES_MAX);
    pv_reach_put(&bytes, &reach);
    assert_int_equal(pv_reach_get(pv_buf_view(&bytes), &reach), 0);
    assert_int_equal(reach.flags, 0);
    assert_true(pv_str_eq_c(reach.data_dir, "/var/lib/x"));
    assert_int_equal(reach.module.len, 0);
    assert_int_equal(reach.command.count, 2);
    assert_true(pv_str_eq_c(reach.command.items[1], "--loud"));
    assert_int_equal(reach.read.count, 2);
    assert_true(pv_str_eq_c(reach.read.items[1], "/etc/b"));
    assert_int_equal(reach.write.count, 1);
    assert_true(pv_str_eq_c(reach.write.items[0], "/srv/c"));
    assert_int_equal(reach.exec.count, 1);
    assert_true(pv_str_eq_c(reach.exec.items[0], "/bin/d"));
    assert_int_equal(reach.unix_sockets.count, 1);
    assert_true(pv_str_eq_c(reach.unix_sockets.items[0], "/etc/a"));
    pv_buf_done(&bytes);

    parts = (struct pv_reach_parts){.module = S("/opt/host.so"), .granted = granted};
    assert_int_equal(pv_reach_make(&parts, &reach, &err), 0);
    assert_int_equal(reach.flags, PV_REACH_BEST_EFFORT | PV_REACH_UNCONFINED);
    assert_true(pv_str_eq_c(reach.module, "/opt/host.so"));
    assert_int_equal(reach.command.count, 0);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct pv_str paths[PV_REACH_PATHS_MAX + 1];
    const char *words[PV_REACH_PATHS_MAX + 2] = {NULL};
    for (size_t i = 0; i <= PV_REACH_PATHS_MAX; i++) {
        paths[i] = S("/x");
        words[i] = "x";
    }
    for (size_t kind = 0; kind < PV_REACH_KINDS; kind++) {
        struct pv_strs granted[PV_REACH_KINDS] = {{NULL, 0}};
        const struct pv_reach_parts parts = {.granted = granted};
        struct pv_reach reach = {.uid = 7};
        struct pv_err err = {0};
        granted[kind] = (struct pv_strs){paths, PV_REACH_PATHS_MAX + 1};
        assert_int_equal(pv_reach_make(&parts, &reach, &err), PV_ETOOBIG);
        assert_string_equal(err.text, "grants: more than 64 paths of one kind");
        assert_int_equal(reach.uid, 7);
        granted[kind].count = PV_REACH_PATHS_MAX;
        assert_int_equal(pv_reach_make(&parts, &reach, &err), 0);
    }
    const struct pv_strs none[PV_REACH_KINDS] = {{NULL, 0}};
    const struct pv_reach_parts parts = {.granted = none, .command = words};
    struct pv_reach reach;
    struct pv_err err = {0};
    assert_int_equal(pv_reach_make(&parts, &reach, &err), PV_ETOOBIG);
    assert_string_equal(err.text, "the command has too many words");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_has_its_place),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    if (pv_base_init() != 0) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
