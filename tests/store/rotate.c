/* SPDX-License-Identifier: Apache-2.0 */
/* A key more: in the file and in memory, or in neither. */
#include "tests/store/rig.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Nothing of a rotation that fails stands. */
static void refuse(struct rig *r, int status)
{
    char before[8192];
    char after[8192];
    struct pv_err err = {0};
    uint32_t id = 99;
    size_t count = pv_keyring_count(r->keyring);
    rig_read_keys(r, before);
    assert_int_equal(pv_keyring_rotate(r->keyring, r->keys, &id, &err), status);
    assert_non_null(strstr(err.text, r->keys));
    assert_int_equal(id, 99);
    assert_int_equal(pv_keyring_count(r->keyring), count);
    rig_read_keys(r, after);
    assert_string_equal(before, after);
}

/* ---- the file ---- */

static void a_key_is_added_to_file_and_memory(void **state)
{
    struct rig *r = *state;
    char before[8192];
    char after[8192];
    struct stat st;
    size_t len = rig_read_keys(r, before);
    assert_int_equal(rig_rotate(r), 2);
    assert_int_equal(pv_keyring_newest(r->keyring), 2);
    assert_int_equal(pv_keyring_id(r->keyring, 0), 1);
    rig_read_keys(r, after);
    assert_memory_equal(before, after, len); /* what stood there stands there still */
    assert_non_null(strstr(after + len, "key 2 "));
    assert_int_equal(stat(r->keys, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    struct pv_keyring *again = NULL;
    struct pv_err err = {0};
    assert_int_equal(pv_keyring_open(r->keys, &again, &err), 0);
    struct pv_buf sealed;
    struct pv_arena arena;
    struct pv_str plain;
    pv_buf_init(&sealed, 4096);
    pv_arena_init(&arena);
    assert_int_equal(pv_keyring_seal(r->keyring, PV_STR("row"), PV_STR("text"), &sealed), 0);
    assert_int_equal(pv_keyring_unseal(again, PV_STR("row"), pv_buf_view(&sealed), &arena, &plain),
                     0);
    pv_arena_done(&arena);
    pv_buf_done(&sealed);
    pv_keyring_free(again);
}

static void what_a_killed_one_left_is_no_matter(void **state)
{
    struct rig *r = *state;
    char name[120];
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof(name), "%s.%s", r->keys, i ? "old" : "new");
        int fd = open(name, O_WRONLY | O_CREAT, 0600);
        assert_true(fd >= 0);
        close(fd);
    }
    assert_int_equal(rig_rotate(r), 2);
    assert_int_not_equal(access(name, F_OK), 0);
}

static void a_link_stays_one(void **state)
{
    struct rig *r = *state;
    char real[120];
    struct stat st;
    snprintf(real, sizeof(real), "%s.real", r->keys);
    assert_int_equal(rename(r->keys, real), 0);
    assert_int_equal(symlink(real, r->keys), 0);
    rig_rotate(r);
    assert_int_equal(lstat(r->keys, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
}

static void a_failure_leaves_all_as_it_was(void **state)
{
    struct rig *r = *state;
    char name[120];
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof(name), "%s.%s", r->keys, i ? "old" : "new");
        assert_int_equal(mkdir(name, 0700), 0); /* no file can be made there */
        refuse(r, PV_EEXISTS);
        assert_int_equal(rmdir(name), 0);
    }
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    const struct rlimit small = {.rlim_cur = 100, .rlim_max = limit.rlim_max};
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    struct pv_err err = {0};
    uint32_t id = 0;
    int status = pv_keyring_rotate(r->keyring, r->keys, &id, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    signal(SIGXFSZ, before);
    assert_int_not_equal(status, 0); /* the write came to its end before the text did */
    assert_int_equal(pv_keyring_count(r->keyring), 1);
    assert_int_equal(chmod(r->keys, 0644), 0);
    refuse(r, PV_EDENIED);
    assert_int_equal(chmod(r->keys, 0600), 0);
    assert_int_equal(rig_rotate(r), 2);
}

#ifdef PV_FAULTS
static char fault_prefix[96];

/* Before the first place that asks for faults: the environment is read once. */
static void ask_for_faults(void)
{
    const char *base = getenv("TMPDIR");
    char value[160];
    snprintf(fault_prefix, sizeof(fault_prefix), "%.40s/pv-rotate-%d", base ? base : "/tmp",
             (int)getpid());
    snprintf(value, sizeof(value), "%s:keys.sync=fail", fault_prefix);
    setenv("PROVOST_FAULTS", value, 1);
}

static void a_folder_that_cannot_be_synced_brings_the_old_file_back(void **state)
{
    struct rig *r = *state;
    char flag[160];
    snprintf(flag, sizeof(flag), "%s.keys.sync", fault_prefix);
    int fd = open(flag, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
    refuse(r, PV_EIO);
    assert_int_equal(unlink(flag), 0);
    assert_int_equal(rig_rotate(r), 2);
}
#endif

static void a_file_that_was_changed_is_refused(void **state)
{
    struct rig *r = *state;
    char text[8192];
    rig_read_keys(r, text);
    FILE *file = fopen(r->keys, "a");
    assert_non_null(file);
    fprintf(file, "key 7 %064d\n", 7); /* nobody has read this one yet */
    fclose(file);
    refuse(r, PV_ECONFLICT);
    file = fopen(r->keys, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(rig_rotate(r), 2);
    rig_drop_line(r, 1); /* what was taken out stays out, and its id is not used again */
    assert_int_equal(rig_rotate(r), 3);
    rig_read_keys(r, text);
    assert_null(strstr(text, "key 1 "));
}

static void there_is_an_end_of_keys(void **state)
{
    struct rig *r = *state;
    for (unsigned i = 2; i <= 64; i++) {
        assert_int_equal(rig_rotate(r), i);
    }
    refuse(r, PV_ETOOBIG);
}

struct reader {
    struct pv_keyring *keyring;
    atomic_bool stop;
    int failures;
};

static void *seal_and_open(void *arg)
{
    struct reader *reader = arg;
    struct pv_buf sealed;
    struct pv_arena arena;
    pv_buf_init(&sealed, 4096);
    pv_arena_init(&arena);
    while (!atomic_load(&reader->stop)) {
        struct pv_str plain = {NULL, 0};
        pv_buf_clear(&sealed);
        int status = pv_keyring_seal(reader->keyring, PV_STR("row"), PV_STR("text"), &sealed);
        status = status ? status
                        : pv_keyring_unseal(reader->keyring, PV_STR("row"), pv_buf_view(&sealed),
                                            &arena, &plain);
        reader->failures += status || !pv_str_eq_c(plain, "text");
        pv_arena_done(&arena);
    }
    pv_buf_done(&sealed);
    return NULL;
}

static void other_threads_seal_meanwhile(void **state)
{
    struct rig *r = *state;
    struct reader reader = {.keyring = r->keyring};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, seal_and_open, &reader), 0);
    for (int i = 0; i < 20; i++) {
        rig_rotate(r);
    }
    atomic_store(&reader.stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(reader.failures, 0);
}

#define ALONE(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
#ifdef PV_FAULTS
    ask_for_faults();
#endif
    const struct CMUnitTest tests[] = {
        ALONE(a_key_is_added_to_file_and_memory),
        ALONE(what_a_killed_one_left_is_no_matter),
        ALONE(a_link_stays_one),
        ALONE(a_failure_leaves_all_as_it_was),
#ifdef PV_FAULTS
        ALONE(a_folder_that_cannot_be_synced_brings_the_old_file_back),
#endif
        ALONE(a_file_that_was_changed_is_refused),
        ALONE(there_is_an_end_of_keys),
        ALONE(other_threads_seal_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
